/** An instance within its app. */
export const spotKey = (module: string, home: string | null): string => `${module}@${home ?? ''}`

#include "burnt.h"

const burnt_facts burnt = {.root = {NULL, 0}};

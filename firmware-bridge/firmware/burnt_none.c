#include "burnt.h"

const burnt_facts burnt = {.version = "0.1.0"};

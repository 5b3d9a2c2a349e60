#include "kernels.h"
int leeway_kernels_probe(void) { return 1; }

#pragma once
int leeway_kernels_probe(void);

/* What Python calls beside the kernels themselves. */
#ifndef HOLLAMA_EXECUTOR_H
#define HOLLAMA_EXECUTOR_H

#include "kernels.h"

/* Names of the sets that this machine can run, the best first: at most `room` of them, and how many. */
int32_t kernels_sets(const char **names, int32_t room);

#endif

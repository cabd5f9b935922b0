// What a broker costs: CPU and memory of a process and of all its descendants. Called by mqload before and after what
// it measures; nothing here is fatal, a process that is gone counts for nothing.
#pragma once

typedef struct {
    double cpu_seconds, pss_mb;
    int processes;
} Usage;

// The usage of pid and its descendants; all zero for a pid of 0.
Usage usage_of(int pid);

// See usage.h. Memory is the proportional set size, so that pages shared between the broker's processes count once.
#include "usage.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// Reads /proc/PID/stat; false where the process is gone.
static bool process_stat(int pid, int *parent, double *cpu_seconds) {
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *file = fopen(path, "r");
    if (!file) return false;
    text[fread(text, 1, sizeof text - 1, file)] = 0;
    fclose(file);
    char *name_end = strrchr(text, ')');
    unsigned long user, kernel;
    if (!name_end || sscanf(name_end + 2, "%*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", parent, &user,
                            &kernel) != 3)
        return false;
    *cpu_seconds = (double)(user + kernel) / (double)sysconf(_SC_CLK_TCK);
    return true;
}
static double process_pss_mb(int pid) {
    char path[64], line[256];
    long kilobytes, found = 0;
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", pid);
    FILE *file = fopen(path, "r");
    if (!file) return 0;
    while (fgets(line, sizeof line, file))
        if (sscanf(line, "Pss: %ld", &kilobytes) == 1) found = kilobytes;
    fclose(file);
    return (double)found / 1024;
}
Usage usage_of(int root) {
    enum { MOST = 32768 };
    static int pids[MOST], parents[MOST];
    static double cpu[MOST];
    static bool ours[MOST];
    Usage usage = {0};
    DIR *proc = root ? opendir("/proc") : NULL;
    if (!proc) return usage;
    int count = 0;
    for (struct dirent *entry; count < MOST && (entry = readdir(proc));) {
        int pid = atoi(entry->d_name);
        if (!pid || !process_stat(pid, &parents[count], &cpu[count])) continue;
        pids[count] = pid;
        ours[count++] = pid == root;
    }
    closedir(proc);
    for (bool changed = true; changed;) {  // descendants of descendants, until there are no more
        changed = false;
        for (int i = 0; i < count; i++)
            for (int j = 0; !ours[i] && j < count; j++)
                if (ours[j] && pids[j] == parents[i]) ours[i] = changed = true;
    }
    for (int i = 0; i < count; i++) {
        if (!ours[i]) continue;
        usage.cpu_seconds += cpu[i];
        usage.pss_mb += process_pss_mb(pids[i]);
        usage.processes++;
    }
    return usage;
}

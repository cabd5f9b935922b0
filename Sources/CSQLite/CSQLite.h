#pragma once
#include <sqlite3.h>
// A call of Linux that Store makes and that Swift's Glibc module does not export.
#include <sys/timex.h>

// sqlite3_config is variadic, which Swift can not call. Without these figures that nobody reads, SQLite takes no lock
// of the whole process for each piece of memory. Once, before the first connection.
static inline int apus_sqlite_without_statistics(void) { return sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); }

// So is sqlite3_db_config. The connection's end leaves the write-ahead log as it is, even if it is the last one.
static inline int apus_sqlite_keep_log(sqlite3 *connection) {
    return sqlite3_db_config(connection, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, (int *)0);
}

// The tables, and the steps from each version of them to the next. docs/store.md explains them to whoever reads them
// with the sqlite3 shell.

enum Schema {
    /// "Apus" in the file's header: nobody else's database is taken for a store.
    static let applicationIdentifier: Int32 = 0x4170_7573

    /// The version that this program writes.
    static var version: Int32 { Int32(migrations.count) }

    /// Step n leads from version n to n + 1. A step that has been released is never changed.
    static let migrations: [String] = [
        """
        CREATE TABLE clock (id INTEGER PRIMARY KEY CHECK (id = 1), store_seconds INTEGER NOT NULL,
            wall_seconds INTEGER NOT NULL, boot_id TEXT NOT NULL, boot_seconds INTEGER NOT NULL);
        CREATE TABLE session (number INTEGER PRIMARY KEY, client TEXT NOT NULL, version INTEGER NOT NULL,
            expiry_interval INTEGER NOT NULL, expires_at INTEGER NOT NULL, will BLOB, will_at INTEGER NOT NULL,
            checksum INTEGER NOT NULL);
        CREATE TABLE subscription (id INTEGER PRIMARY KEY, session INTEGER NOT NULL, filter TEXT NOT NULL,
            options INTEGER NOT NULL, identifier INTEGER NOT NULL, checksum INTEGER NOT NULL,
            UNIQUE (session, filter));
        CREATE TABLE received (key INTEGER PRIMARY KEY, checksum INTEGER NOT NULL);
        CREATE TABLE queue (key INTEGER PRIMARY KEY, state INTEGER NOT NULL, qos INTEGER NOT NULL,
            size INTEGER NOT NULL, message INTEGER NOT NULL, expires_at INTEGER NOT NULL, checksum INTEGER NOT NULL,
            identifiers BLOB, topic TEXT, payload BLOB, properties BLOB);
        CREATE TABLE message (id INTEGER PRIMARY KEY, expires_at INTEGER NOT NULL, checksum INTEGER NOT NULL,
            topic TEXT NOT NULL, payload BLOB, properties BLOB);
        CREATE TABLE reference (message INTEGER PRIMARY KEY, entries INTEGER NOT NULL);
        CREATE TABLE retained (id INTEGER PRIMARY KEY, topic TEXT NOT NULL UNIQUE, qos INTEGER NOT NULL,
            expires_at INTEGER NOT NULL, checksum INTEGER NOT NULL, payload BLOB, properties BLOB);
        CREATE TABLE backlog (session INTEGER PRIMARY KEY, messages INTEGER NOT NULL, bytes INTEGER NOT NULL);
        CREATE VIEW queued AS SELECT queue.key >> 40 AS session, queue.key & 1099511627775 AS sequence, client, qos,
            (state >> 16) & 65535 AS packet_id, (state >> 8) & 255 AS stage, state & 255 AS flags,
            coalesce(message.expires_at, queue.expires_at) AS expires_at,
            coalesce(message.topic, queue.topic) AS topic, coalesce(message.payload, queue.payload) AS payload,
            coalesce(message.properties, queue.properties) AS properties, identifiers
            FROM queue LEFT JOIN message ON message.id = queue.message
            LEFT JOIN session ON session.number = queue.key >> 40;
        CREATE VIEW received_ids AS SELECT key >> 16 AS session, key & 65535 AS packet_id FROM received;
        """,
        "CREATE TABLE mark (place INTEGER PRIMARY KEY, bytes INTEGER NOT NULL, checksum INTEGER NOT NULL)",
        """
        CREATE TABLE seen (id INTEGER PRIMARY KEY, node TEXT NOT NULL, count INTEGER NOT NULL, items BLOB NOT NULL,
            checksum INTEGER NOT NULL)
        """,
        """
        ALTER TABLE session ADD COLUMN accepted_at INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE retained ADD COLUMN stamp INTEGER NOT NULL DEFAULT 0
        """,
    ]

    /// What finds the sessions that a router needs before it has loaded all. No part of a version: a program that does not
    /// know them keeps them all the same.
    private static let indexes = """
        CREATE INDEX IF NOT EXISTS session_client ON session (client);
        CREATE INDEX IF NOT EXISTS session_connected ON session (expires_at) WHERE expires_at = 0;
        CREATE INDEX IF NOT EXISTS subscription_filter ON subscription (filter);
        """

    static func addIndexes(_ connection: Connection) throws(SQLiteFailure) { try connection.execute(indexes) }

    /// Brings a store of an older version, or an empty file, to this version.
    /// - Returns: the version it had.
    static func migrate(_ connection: Connection) throws(SQLiteFailure) -> Int32 {
        let found = Int32(truncatingIfNeeded: try connection.integer("PRAGMA user_version"))
        guard found < version else { return found }
        try connection.execute("BEGIN IMMEDIATE")
        for step in migrations[Int(max(found, 0))...] { try connection.execute(step) }
        try connection.execute("PRAGMA application_id = \(applicationIdentifier)")
        try connection.execute("PRAGMA user_version = \(version)")
        try connection.execute("COMMIT")
        return found
    }
}

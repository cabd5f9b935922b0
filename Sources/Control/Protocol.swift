// The operator's protocol between apusctl and apusd, over the Unix stream socket `<runtime_dir>/control.sock`.
//
// Requests and answers are JSON objects, one a line, in UTF-8, ended by a line feed:
//
//     → {"version":1,"request":"clients","limit":500}
//     ← {"client":{"client_id":"a", …}}
//     ← {"client":{"client_id":"b", …}}
//     ← {"end":{"next":17}}
//
// An answer is any number of rows and then exactly one last line: `end`, or `error` with a code and a text. A
// connection may carry one request after another. Keys that a side does not know are ignored; a request or a
// version that the server does not know is refused. Both sides are bounded: a longer line ends the connection.

/// The version of the protocol that this build speaks, in every request. It grows when a meaning changes, not when a
/// request or a key is added.
package let protocolVersion = 1

/// The most bytes of one request, its line feed not counted. A client id has at most 65,535 bytes and JSON may write
/// six for one of them.
package let maximumRequestSize = 512 * 1024

/// The most bytes of one line of an answer. The longest is the status, with a row for each worker and listener.
package let maximumResponseSize = 16 * 1024 * 1024

/// The most clients in one answer; more are asked for with the cursor of the one before.
package let maximumClientsPerAnswer = 1000

/// The socket's name in the run-time folder.
package let controlSocketName = "control.sock"

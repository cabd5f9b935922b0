// What apusctl needs of the broker's configuration file: where the control socket is.

import Configuration

/// The run-time folder of the broker that this file configures.
func runtimeFolder(configuredIn file: String, environment: [String: String]) throws(Failure) -> String {
    throw Failure(.configuration, "")
}

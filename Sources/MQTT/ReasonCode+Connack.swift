// Reason codes and the return codes that CONNACK has in MQTT 3.1 and 3.1.1 (§3.2.2.3). Called by CONNACK's codec.

extension ReasonCode {
    /// The return code of a 3.1 or 3.1.1 CONNACK. Nil where those versions have none: the connection is closed without
    /// a CONNACK then (MQTT 3.1.1 [MQTT-3.2.2-6]).
    package var connackReturnCode: UInt8? {
        switch self {
        case .success: 0
        case .unsupportedProtocolVersion: 1
        case .clientIdentifierNotValid: 2
        case .serverUnavailable, .serverBusy, .quotaExceeded, .useAnotherServer, .serverMoved, .connectionRateExceeded:
            3
        case .badUserNameOrPassword: 4
        case .notAuthorized, .banned, .badAuthenticationMethod: 5
        default: nil
        }
    }

    /// Nil for a return code that 3.1.1 does not define, 6 and above.
    package init?(connackReturnCode: UInt8) {
        switch connackReturnCode {
        case 0: self = .success
        case 1: self = .unsupportedProtocolVersion
        case 2: self = .clientIdentifierNotValid
        case 3: self = .serverUnavailable
        case 4: self = .badUserNameOrPassword
        case 5: self = .notAuthorized
        default: return nil
        }
    }
}

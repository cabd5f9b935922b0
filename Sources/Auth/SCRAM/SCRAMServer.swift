// The server's side of SCRAM-SHA-256 (RFC 5802, RFC 7677): two messages of the client's, two answers. A value: what is random, and
// what is known of the user, comes from outside.
//
// A user that there is not gets an answer like any other's, and is refused where one with a wrong password is.

internal import Passwords

struct SCRAMServer: Equatable {
    /// What is to be done with a message.
    enum Action: Equatable {
        /// The client is asked for the next one.
        case challenge([UInt8])
        /// It is who it says; it is told that the server knows its password too.
        case accept([UInt8])
        case refuse(SCRAMFailure)
    }

    private enum State: Equatable {
        case begins
        case challenged(keys: SCRAMKeys, isKnown: Bool, header: [UInt8], nonce: [UInt8], transcript: [UInt8])
        case over
    }

    private var state = State.begins
    /// The server's part of the nonce: printable, without a comma.
    private let nonce: [UInt8]
    /// Who the client says to be; known from its first message on.
    private(set) var user: [UInt8] = []

    /// - Parameter nonce: never the same twice.
    init(nonce: [UInt8]) { self.nonce = nonce }

    /// Takes a message of the client's.
    /// - Parameter keys: what is known of a user, and whether there is such a one.
    mutating func received(
        _ message: [UInt8], keys: (_ user: [UInt8]) -> (keys: SCRAMKeys, isKnown: Bool)
    ) -> Action {
        do throws(SCRAMFailure) {
            switch state {
            case .begins: return try begin(SCRAMClientFirst(message), keys)
            case .challenged(let keys, let isKnown, let header, let nonce, let transcript):
                state = .over
                return try check(SCRAMClientFinal(message), keys, isKnown, header, nonce, transcript)
            case .over: throw .malformed
            }
        } catch {
            state = .over
            return .refuse(error)
        }
    }

    private mutating func begin(
        _ first: SCRAMClientFirst, _ keys: (_ user: [UInt8]) -> (keys: SCRAMKeys, isKnown: Bool)
    ) -> Action {
        user = first.user
        let (found, isKnown) = keys(user)
        let nonce = first.nonce + nonce
        let challenge =
            Array("r=".utf8) + nonce + Array(",s=".utf8) + Base64.encoded(found.salt)
            + Array(",i=\(found.iterations)".utf8)
        state = .challenged(
            keys: found, isKnown: isKnown, header: first.header, nonce: nonce,
            transcript: first.bare + [UInt8(ascii: ",")] + challenge)
        return .challenge(challenge)
    }

    private func check(
        _ last: SCRAMClientFinal, _ keys: SCRAMKeys, _ isKnown: Bool, _ header: [UInt8], _ nonce: [UInt8],
        _ transcript: [UInt8]
    ) throws(SCRAMFailure) -> Action {
        guard last.channel == header, last.nonce == nonce else { throw .malformed }
        let message = transcript + [UInt8(ascii: ",")] + last.withoutProof
        let signature = SHA256.hmac(key: keys.storedKey, message)
        let clientKey = zip(last.proof, signature).map { $0 ^ $1 }
        guard isSame(SHA256.digest(clientKey), keys.storedKey), isKnown else { throw .wrong }
        return .accept(Array("v=".utf8) + Base64.encoded(SHA256.hmac(key: keys.serverKey, message)))
    }
}

// What the JSON protocol answers when a request can not be done. Thrown by the parser; the listener makes further
// ones from what the router refuses. The connection stays open.

/// The numbers of `{"Action":"error","Code":n,…}`, chosen after HTTP's.
package enum JSONErrorCode: UInt16, Sendable {
    /// The text is not one JSON object.
    case malformed = 400
    /// Who the client is must be known first, or its credentials are wrong.
    case notAuthorized = 401
    /// The client may not do this.
    case forbidden = 403
    /// `Action` is none of those that exist.
    case unknownAction = 404
    /// Not now: a second `connect`, or one that comes too late.
    case conflict = 409
    /// The message, or a part of it, is longer than a limit.
    case tooLarge = 413
    /// A key is missing, twice there, of the wrong type or out of range, or a topic is invalid.
    case invalid = 422
    /// The broker can not at the moment; the same request may pass later.
    case unavailable = 503
}

/// A refused request.
package struct JSONError: Error, Equatable, Sendable {
    package let code: JSONErrorCode
    /// For people: which key, what is wrong with it, what would be right.
    package let reason: String
    /// Where in the scratch buffer the request's `Id` lies, as it was written; nil where none could be read.
    package let id: Range<Int>?

    package init(_ code: JSONErrorCode, _ reason: String, id: Range<Int>? = nil) {
        self.code = code
        self.reason = reason
        self.id = id
    }
}

package import Files

/// What can go wrong when something is fetched or sent.
///
/// A URL in an error is without its query and user part, where secrets may be.
package enum TransferError: Error, Equatable, Sendable, CustomStringConvertible {
    /// A URL of the configuration cannot be used at all.
    case invalidURL(url: String, reason: String)
    /// A header to be sent holds a line break or another control character.
    case invalidHeader(name: String)
    /// The transfer failed on its way.
    case failed(TransferFailure, url: String, detail: String)
    /// The server answered with a status that brings no data.
    case status(Int, url: String, retryAfterSeconds: Int?)
    /// There is more to fetch than the limit allows.
    case tooLarge(url: String, bytesMax: Int)
    /// The data came whole, and the caller's check refused it.
    case refused(url: String, reason: String)
    /// A file with a secret cannot be used.
    case secretUnreadable(file: String, reason: String)
    /// The host failed too often of late, and is left alone for a while.
    case circuitOpen(url: String, secondsLeft: Int64)
    /// This machine's disk, not the other side, is the trouble.
    case disk(FileError)
    /// Several mirrors were tried; the last error of each, in their order.
    case mirrorsFailed([TransferError])
    /// The caller's task was cancelled.
    case cancelled
    /// libcurl or a thread could not be set up.
    case library(operation: String, reason: String)

    /// A stable word for labels and JSON, out of ``allCodes``.
    package var code: String {
        switch self {
        case .invalidURL: "url_invalid"
        case .invalidHeader: "header_invalid"
        case .failed(let failure, _, _): failure.rawValue
        case .status(let status, _, _): status >= 500 ? "status_server_error" : "status_refused"
        case .tooLarge: "too_large"
        case .refused: "check_refused"
        case .secretUnreadable: "secret_unreadable"
        case .circuitOpen: "circuit_open"
        case .disk(let error): error.code == "disk_full" ? "disk_full" : "disk_failed"
        case .mirrorsFailed: "mirrors_failed"
        case .cancelled: "cancelled"
        case .library: "library_failed"
        }
    }

    /// Every code there is.
    package static let allCodes: [String] =
        TransferFailure.allCases.map(\.rawValue) + [
            "url_invalid", "header_invalid", "status_server_error", "status_refused", "too_large",
            "check_refused", "secret_unreadable", "circuit_open", "disk_full", "disk_failed",
            "mirrors_failed", "cancelled",
            "library_failed",
        ]

    /// Whether the same request may well succeed a little later.
    package var isTransient: Bool {
        switch self {
        case .failed(let failure, _, _): failure.isTransient
        case .status(let status, _, _): [408, 429, 500, 502, 503, 504, 522, 524].contains(status)
        case .mirrorsFailed(let errors): errors.contains { $0.isTransient }
        default: false
        }
    }

    /// Whether it is passing only if the very next attempt succeeds: a handshake that fails twice
    /// fails for good.
    package var isRetriedOnce: Bool {
        if case .failed(.tlsFailed, _, _) = self { true } else { false }
    }

    /// Whether no other mirror can help: the fault is on this side.
    package var isOurs: Bool {
        switch self {
        case .disk, .cancelled, .library, .failed(.caUnreadable, _, _): true
        // Not of the secret of one source: another mirror may need none.
        default: false
        }
    }

    /// What failed, why, and what to do.
    package var description: String {
        switch self {
        case .invalidURL(let url, let reason):
            "read URL \(url): \(reason): write an https:// or file:// URL"
        case .invalidHeader(let name):
            "send header \(name): it holds a control character: give plain text on one line"
        case .failed(let failure, let url, let detail):
            "fetch \(url): \(detail): \(failure.advice)"
        case .status(let status, let url, let retryAfterSeconds):
            "fetch \(url): the server answered \(status)"
                + (retryAfterSeconds.map { ", try again in \($0) s" } ?? "")
                + (isTransient ? ": it may pass" : ": check the URL")
        case .tooLarge(let url, let bytesMax):
            "fetch \(url): there are more than \(bytesMax) bytes: "
                + "check the source, or raise the limit"
        case .refused(let url, let reason):
            "check \(url): \(reason)"
        case .secretUnreadable(let file, let reason):
            "read the secret in \(file): \(reason): check the file and its permissions"
        case .circuitOpen(let url, let secondsLeft):
            "fetch \(url): its host failed \(CircuitBreaker.failuresMax) times or more in a row and "
                + "is left alone for \(secondsLeft) s more: start a retrain by hand to ask it now"
        case .disk(let error):
            "keep what was fetched: \(error)"
        case .mirrorsFailed(let errors):
            "all mirrors failed: " + errors.map(\.description).joined(separator: "; ")
        case .cancelled:
            "the transfer was cancelled"
        case .library(let operation, let reason):
            "\(operation): \(reason): check the installation of libcurl"
        }
    }
}

/// How a transfer fails on its way: a closed set, whose raw values are labels of metrics.
package enum TransferFailure: String, Sendable, Codable, CaseIterable {
    /// The host's name has no address, or the name server did not answer.
    case hostUnresolved = "host_unresolved"
    /// No connection to the host came about.
    case hostUnreachable = "host_unreachable"
    /// The TLS handshake failed, other than by the certificate.
    case tlsFailed = "tls_failed"
    /// The server's certificate is not one to trust, or is of another host.
    case certificateRefused = "certificate_refused"
    /// The server's key is none of those that the source is pinned to.
    case pinMismatch = "pin_mismatch"
    /// The file of certificate authorities cannot be read.
    case caUnreadable = "ca_unreadable"
    /// The whole transfer took longer than its limit.
    case timedOut = "timed_out"
    /// Too few bytes came for too long.
    case stalled
    /// The connection ended before the data did.
    case interrupted
    /// The server redirects to where we do not go: another protocol, or a URL with a user name.
    case redirectRefused = "redirect_refused"
    /// The name, or a redirect, leads to an address that only this machine's own networks reach.
    case addressRefused = "address_refused"
    /// The server redirects more often than the limit, or in a circle.
    case redirectsTooMany = "redirects_too_many"
    /// A local file is missing, is no regular file, or may not be read.
    case sourceUnreadable = "source_unreadable"
    /// The answer makes no sense, such as "not modified" when we have nothing.
    case answerUnexpected = "answer_unexpected"
    /// The answer ends with the connection, and it was not said that this will do.
    case lengthUnknown = "length_unknown"
    /// Anything else.
    case other = "transfer_failed"

    /// Whether the same request may well succeed a little later.
    var isTransient: Bool {
        switch self {
        case .hostUnresolved, .hostUnreachable, .tlsFailed, .timedOut, .stalled, .interrupted: true
        default: false
        }
    }

    /// What to do.
    var advice: String {
        switch self {
        case .hostUnresolved: "check the host's name and this machine's name server"
        case .hostUnreachable: "check that the server runs and that the network lets us through"
        case .tlsFailed: "check that the server speaks TLS 1.2 or 1.3"
        case .certificateRefused:
            "check the host's name in the URL, and ca_file if the CA is private"
        case .pinMismatch: "check who answers there, and pinned_keys if the key was replaced"
        case .caUnreadable: "check ca_file, or install ca-certificates"
        case .timedOut, .stalled: "check the network, or raise the time limits"
        case .interrupted: "it may pass; check the server if it does not"
        case .redirectRefused: "write the URL it leads to, if that is to be trusted"
        case .addressRefused:
            "if it is to be trusted, write its address in the URL, or allow_private: true beside it"
        case .redirectsTooMany: "check the URL"
        case .sourceUnreadable: "check the path and its permissions"
        case .lengthUnknown: "make the server send Content-Length, or give the file's sha256"
        case .answerUnexpected, .other: "check the server"
        }
    }
}

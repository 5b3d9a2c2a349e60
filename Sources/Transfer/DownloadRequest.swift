package import Digest

/// One file to be had from one of several places.
package struct DownloadRequest: Sendable {
    /// The URLs that hold the same file, the preferred one first: `https://` or `file://`.
    package var mirrors: [String]
    /// What a mirror wants besides its URL, by the URL.
    package var access: [String: SourceAccess] = [:]
    /// What the whole file must be, as it comes over the wire; a longer one is not fetched to its
    /// end.
    package var expected: ExpectedFile?
    /// Whether a host is asked although its circuit is open.
    package var ignoresCircuits = false
    /// What the file is for, in logs and metrics, such as `train.features`.
    package var source = ""
    /// Where the file goes; replaced in one step, and only by a whole and checked file.
    ///
    /// What is known of it is kept beside it in `<target>.meta.json`. What a killed process leaves
    /// of an unfinished file beside it is for `Folder.sweep`, under the caller's lock.
    package var target: String
    /// The largest file; nil for the limit of the settings.
    package var bytesMax: Int?
    /// Whether an answer will do that has neither a length nor chunks.
    ///
    /// A cut in it goes unseen, so say so only where ``check`` compares a digest.
    package var allowsUnknownLength: Bool
    /// Looks at the whole file (its path is the argument) before it takes the target's place.
    ///
    /// Also called for an unchanged file, so that every outcome has passed it. What it throws makes
    /// the mirror count as failed for good. Runs on the transfer thread, one file at a time.
    package var check: (@Sendable (String) throws -> Void)?
    /// Told about every piece that came.
    ///
    /// Runs on the transfer thread; must be quick.
    package var progress: (@Sendable (DownloadProgress) -> Void)?

    /// Names the file and where it is to be had.
    package init(
        mirrors: [String],
        target: String,
        bytesMax: Int? = nil,
        allowsUnknownLength: Bool = false,
        check: (@Sendable (String) throws -> Void)? = nil,
        progress: (@Sendable (DownloadProgress) -> Void)? = nil
    ) {
        self.mirrors = mirrors
        self.target = target
        self.bytesMax = bytesMax
        self.allowsUnknownLength = allowsUnknownLength
        self.check = check
        self.progress = progress
    }
}

/// How long a file is and what its digest is, as somebody who can be trusted has said.
package struct ExpectedFile: Sendable, Equatable {
    /// The length.
    package let bytes: Int
    /// The digest.
    package let sha256: Digest256

    /// Takes note of both.
    package init(bytes: Int, sha256: Digest256) {
        self.bytes = bytes
        self.sha256 = sha256
    }
}

/// How far a running attempt is.
package struct DownloadProgress: Sendable, Equatable {
    /// The bytes of the file that are there, those of an earlier attempt included.
    package let bytes: Int
    /// The bytes announced of the whole file; nil when the server does not say.
    package let bytesExpected: Int?
    /// Bytes a second, over the whole attempt; nil in its first moment.
    package let bytesPerSecond: Double?

    /// Seconds until the end at this rate; nil when nobody can say.
    package var secondsLeft: Double? {
        guard let bytesExpected, let bytesPerSecond, bytesPerSecond > 0 else { return nil }
        return Double(max(0, bytesExpected - bytes)) / bytesPerSecond
    }
}

/// What a download ended with; the target then holds the whole file in both cases.
package enum DownloadOutcome: Sendable, Equatable {
    /// The same bytes as at the last download, by the server's word or by the digest.
    case unchanged(DownloadedFile)
    /// New bytes.
    case downloaded(DownloadedFile)

    /// The file at the target.
    package var file: DownloadedFile {
        switch self {
        case .unchanged(let file), .downloaded(let file): file
        }
    }
}

/// A file as it was downloaded.
package struct DownloadedFile: Sendable, Equatable {
    /// Where it is.
    package let path: String
    /// Its length.
    package let bytes: Int
    /// The digest of the bytes as they came over the wire, still compressed if they were.
    package let sha256: Digest256
    /// The mirror that gave it or confirmed it, as written in the request.
    package let mirror: String
    /// The entity tag of the mirror's answer.
    package let etag: String?
    /// The `Last-Modified` of the mirror's answer, word for word.
    package let lastModified: String?
    /// The `Content-Encoding`, if the server compressed without being asked.
    ///
    /// Many servers say `gzip` here for a `.gz` file; the file's first bytes tell the truth.
    package let contentEncoding: String?
}

/// One attempt at one mirror, for logs, metrics and the progress lines of a child process.
package struct DownloadAttempt: Sendable, Equatable, Codable {
    /// The mirror's URL without its query.
    package var mirror: String
    /// `downloaded`, `unchanged`, or a code of ``TransferError``.
    package var result: String
    /// The HTTP status; zero for none.
    package var status: Int
    /// libcurl's number for what went wrong; zero for nothing.
    package var curlCode: Int
    /// The bytes of the body that came.
    package var bytes: Int
    /// The bytes that were there from an earlier attempt, when it went on with them.
    package var resumedBytes: Int?
    /// What the file is for; see ``DownloadRequest/source``.
    package var source: String?
    /// The time from start to end.
    package var microseconds: Int
    /// Where the answer came from after redirects, without user and query; nil for nowhere.
    package var effective: String?
    /// The address that was connected to, the proxy's where there is one; nil for none.
    package var address: String?

    /// An attempt as it was made, perhaps by another process.
    package init(
        mirror: String,
        result: String,
        status: Int,
        curlCode: Int,
        bytes: Int,
        resumedBytes: Int? = nil,
        source: String? = nil,
        microseconds: Int,
        effective: String? = nil,
        address: String? = nil
    ) {
        self.mirror = mirror
        self.result = result
        self.status = status
        self.curlCode = curlCode
        self.bytes = bytes
        self.resumedBytes = resumedBytes
        self.source = source
        self.microseconds = microseconds
        (self.effective, self.address) = (effective, address)
    }
}

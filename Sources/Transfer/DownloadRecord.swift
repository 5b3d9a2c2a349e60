internal import Digest
internal import Files
internal import FoundationEssentials

/// What is remembered of a downloaded file, in `<target>.meta.json` beside it.
///
/// It is a hint and never trusted alone: a conditional request is sent only when the file has the
/// length recorded, and "not modified" is believed only when the file has the digest recorded.
/// Whatever is wrong with the record costs one full download, no more.
struct DownloadRecord: Codable, Equatable {
    /// What one mirror said of these very bytes, to be repeated in the next request.
    struct Validators: Codable, Equatable {
        var etag: String?
        var lastModified: String?

        enum CodingKeys: String, CodingKey {
            case etag
            case lastModified = "last_modified"
        }
    }

    /// The version of this layout.
    var format = 1
    /// The length of the file.
    var bytes: Int
    /// The digest of the file.
    var sha256: Digest256
    /// The `Content-Encoding` it came with.
    var contentEncoding: String?
    /// By the mirror's URL, word for word.
    ///
    /// An entity tag says nothing at another mirror.
    var mirrors: [String: Validators]

    enum CodingKeys: String, CodingKey {
        case format, bytes, sha256, mirrors
        case contentEncoding = "content_encoding"
    }

    /// The record's path for a target.
    static func path(for target: String) -> String { "\(target).meta.json" }

    /// Reads the record; nil when there is none that can be used.
    static func read(for target: String) -> DownloadRecord? {
        guard
            let bytes = try? WholeFile.read(path(for: target), bytesMax: bytesMax),
            let record = try? JSONDecoder().decode(Self.self, from: Data(bytes)),
            record.format == 1
        else { return nil }
        return record
    }

    /// Writes the record; readable by the owner only, since a URL may hold a key.
    ///
    /// - Throws: ``TransferError/disk(_:)``.
    func write(for target: String) throws(TransferError) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
        do {
            let text = try encoder.encode(self)
            try WholeFile.replace(Self.path(for: target), Array(text), mode: 0o600)
        } catch let error as FileError {
            throw .disk(error)
        } catch {
            throw .library(operation: "write what is known of \(target)", reason: "\(error)")
        }
    }

    private static let bytesMax = 1 << 20
}

internal import Files
internal import FoundationEssentials

/// The part of a file that came before its transfer broke off: `<target>.part`, and beside it
/// `<target>.part.json`, which says of what it is a part.
///
/// It is kept only of an answer with a strong entity tag, asked to go on with `If-Range`
/// (RFC 9110 §13.1.5), and never takes the target's place itself.
struct PartialDownload: Codable, Equatable {
    /// The version of this layout.
    var format = 1
    /// The mirror's URL, word for word.
    let url: String
    /// The strong entity tag of the answer.
    let etag: String
    /// How many bytes came.
    let bytes: Int

    init(url: String, etag: String, bytes: Int) {
        self.url = url
        self.etag = etag
        self.bytes = bytes
    }

    /// The part's path for a target.
    static func path(for target: String) -> String { "\(target).part" }
    private static func recordPath(for target: String) -> String { "\(target).part.json" }

    /// What is there to go on with; nil when there is nothing, or not what the record says.
    static func read(for target: String) -> PartialDownload? {
        guard
            let bytes = try? WholeFile.read(recordPath(for: target), bytesMax: 1 << 16),
            let partial = try? JSONDecoder().decode(Self.self, from: Data(bytes)),
            partial.format == 1, partial.bytes > 0, isStrong(partial.etag),
            FileFacts.regularFileBytes(path(for: target)) == partial.bytes
        else { return nil }
        return partial
    }

    /// Writes the record, when the part is in its place.
    ///
    /// - Throws: what files throw.
    func write(for target: String) throws {
        let text = try JSONEncoder().encode(self)
        // Readable by the owner only, since a URL may hold a key.
        try WholeFile.replace(Self.recordPath(for: target), Array(text), mode: 0o600)
    }

    /// Removes both files; what cannot be removed costs space, and is not believed.
    static func remove(for target: String) {
        for path in [recordPath(for: target), path(for: target)] where Folder.exists(path) {
            try? Folder.remove(path)
        }
    }

    /// Whether an entity tag is strong, and can be sent back as it is.
    static func isStrong(_ etag: String) -> Bool {
        let bytes = Array(etag.utf8)
        guard bytes.count > 2, bytes.count <= 1024, bytes.first == UInt8(ascii: "\""),
            bytes.last == UInt8(ascii: "\"")
        else { return false }
        return bytes.dropFirst().dropLast().allSatisfy {
            $0 > 0x20 && $0 != 0x7F && $0 != UInt8(ascii: "\"")
        }
    }

    /// The headers that ask for the rest, if it is still the rest of the same file.
    var headerLines: [String] { ["Range: bytes=\(bytes)-", "If-Range: \(etag)"] }

    /// Whether an answer 206 is the rest that was asked for.
    ///
    /// - Parameters:
    ///   - contentRange: The answer's `Content-Range`.
    ///   - etag: The answer's entity tag.
    /// - Returns: The length of the whole file, or nil when it is not the rest.
    func wholeBytes(contentRange: String?, etag: String?) -> Int? {
        guard etag == self.etag, let contentRange, contentRange.hasPrefix("bytes ") else {
            return nil
        }
        let parts = contentRange.dropFirst(6).split(
            separator: "/",
            omittingEmptySubsequences: false
        )
        guard parts.count == 2, let whole = Int(parts[1]) else { return nil }
        let ends = parts[0].split(separator: "-", omittingEmptySubsequences: false)
        guard ends.count == 2, Int(ends[0]) == bytes, let last = Int(ends[1]), last == whole - 1
        else { return nil }
        return whole
    }
}

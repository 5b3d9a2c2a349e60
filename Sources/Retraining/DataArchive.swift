internal import Files
internal import FoundationEssentials
internal import Glibc
internal import ModelStore

/// The files that versions were made of, by the digest of what is in them:
/// `downloads/<model>-archive/<sha256>`, and for `mode: append` which downloads there were.
///
/// A file is a second name of the download (a hard link), so that it takes no more room until other
/// bytes take the download's place: files are replaced by renaming and never written to, and a download
/// of the same bytes keeps its file. Used under the store's lock.
struct DataArchive {
    let folder: String

    /// One download: its files, and when it came.
    struct Entry: Codable, Sendable, Equatable {
        let features: String
        let labels: String?
        let unixSeconds: Int64

        enum CodingKeys: String, CodingKey {
            case features, labels
            case unixSeconds = "unix_seconds"
        }
    }

    private struct Index: Codable {
        var format = 1
        var downloads: [Entry]
    }

    init(downloads: String, model: String) { folder = "\(downloads)/\(model)-archive" }

    private var indexPath: String { "\(folder)/index.json" }

    /// Removes what a killed run left half written.
    func sweep() {
        // What cannot be removed costs space, and no more.
        if Folder.exists(folder) { _ = try? Folder.sweep(folder) }
    }

    /// The path of the file with this digest.
    func path(_ digest: String) -> String { "\(folder)/\(digest)" }

    /// The downloads there were, oldest first.
    ///
    /// - Throws: ``RetrainingError/data(role:reason:code:)`` when the list cannot be read: without
    ///   it nobody knows what belongs to the window.
    func downloads() throws(RetrainingError) -> [Entry] {
        guard Folder.exists(indexPath) else { return [] }
        do {
            let bytes = try WholeFile.read(indexPath, bytesMax: 16 << 20)
            let index = try StoreJSON.decode(Index.self, from: bytes, path: indexPath)
            guard index.format == 1 else {
                throw StoreError.malformed(path: indexPath, reason: "format")
            }
            return index.downloads
        } catch {
            throw .data(
                role: "train",
                reason: "\(error): restore it, or remove it to begin a new window",
                code: "window_unreadable"
            )
        }
    }

    /// The downloads to learn from when one has just come, oldest first.
    ///
    /// One that came before, byte for byte, keeps its place and adds nothing.
    func window(
        adding newest: Entry,
        _ policy: DataPolicy,
        now: Int64
    ) throws(RetrainingError) -> [Entry] {
        var all = try downloads()
        if !all.contains(where: { $0.features == newest.features && $0.labels == newest.labels }) {
            all.append(newest)
        }
        if let days = policy.windowDays {
            let oldest = now - Int64(days) * 86_400
            all.removeAll { $0.unixSeconds < oldest && $0.features != newest.features }
        }
        return Array(all.suffix(policy.windowDownloads))
    }

    /// Remembers which downloads there are.
    ///
    /// - Throws: ``RetrainingError/store(_:)``.
    func remember(_ entries: [Entry]) throws(RetrainingError) {
        do {
            try Folder.make(folder)
            try WholeFile.replace(
                indexPath,
                StoreJSON.encode(Index(downloads: entries), pretty: true)
            )
        } catch let error as FileError {
            throw .store(.file(error))
        } catch {
            throw .store(.malformed(path: indexPath, reason: "\(error)"))
        }
    }

    /// Keeps a file whose content has this digest.
    ///
    /// - Throws: ``RetrainingError/store(_:)``.
    func keep(_ file: String, digest: String) throws(RetrainingError) {
        guard !Folder.exists(path(digest)) else { return }
        do {
            try Folder.make(folder)
            try Folder.link(file, to: path(digest))
            try Folder.synchronise(folder)
        } catch {
            throw .store(.file(error))
        }
    }

    /// Removes what neither the window nor any of these digests names.
    func prune(keeping digests: Set<String>) {
        guard let entries = try? downloads(), let names = try? Folder.list(folder) else { return }
        let wanted = digests.union(entries.flatMap { [$0.features, $0.labels].compactMap { $0 } })
        for name in names
        where name.utf8.count == 64 && name.allSatisfy(\.isHexDigit) && !wanted.contains(name) {
            // What cannot be removed costs space, and no more.
            try? Folder.remove(path(name))
        }
    }
}

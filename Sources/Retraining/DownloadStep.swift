internal import Compression
internal import Digest
internal import Files
internal import Transfer

/// The files of a run as they lie on disk, each by its role.
struct DownloadedSources {
    /// Paths by role: `train.features`, `train.labels`, and the same of `test` and `golden`.
    var paths: [String: String] = [:]
}

/// The first step: fetches each source from the first mirror that gives it.
///
/// Unchanged data costs one round trip; a mirror whose file has the wrong digest is passed over.
struct DownloadStep {
    let plan: RetrainingPlan
    let downloader: Downloader
    let folder: String

    /// Removes what a killed run left half downloaded; to be called under the store's lock.
    func sweep() {
        for name in (try? Folder.list(folder)) ?? []
        where name.hasPrefix("\(plan.model)-") && name.contains(WholeFile.temporaryInfix) {
            // What cannot be removed costs space, and no more.
            try? Folder.remove("\(folder)/\(name)")
        }
    }

    func run() async throws(RetrainingError) -> DownloadedSources {
        var sources = DownloadedSources()
        for (role, mirrors) in roles() {
            sources.paths[role] = try await fetch(role, mirrors)
        }
        return sources
    }

    private func roles() -> [(String, [RetrainingPlan.Mirror])] {
        let all = [
            ("train.features", plan.train.features), ("train.labels", plan.train.labels),
            ("test.features", plan.test?.features ?? []), ("test.labels", plan.test?.labels ?? []),
            ("golden.features", plan.golden?.features ?? []),
            ("golden.labels", plan.golden?.labels ?? []),
        ]
        return all.filter { !$0.1.isEmpty }
    }

    private func fetch(_ role: String, _ mirrors: [RetrainingPlan.Mirror])
        async throws(RetrainingError) -> String
    {
        let target = "\(folder)/\(plan.model)-\(role)"
        let demands = mirrors.map(\.sha256)
        // Mirrors with the same demand are one request, so that a retry can turn to any of them.
        var reasons: [RetrainingError] = []
        for group in mirrors.chunked(byDemands: demands) {
            do {
                return try await fetch(role, group, target)
            } catch {
                if case .download(_, _, "cancelled") = error { throw error }
                reasons.append(error)
            }
        }
        if let only = reasons.first, reasons.count == 1 { throw only }
        throw .download(
            role: role,
            reason: reasons.map(\.description).joined(separator: "; "),
            code: "mirrors_failed"
        )
    }

    private func fetch(
        _ role: String,
        _ mirrors: ArraySlice<RetrainingPlan.Mirror>,
        _ target: String
    )
        async throws(RetrainingError) -> String
    {
        let bytesMax = plan.decompressedBytesMax
        let demanded = mirrors.first?.sha256
        var request = DownloadRequest(mirrors: mirrors.map(\.url), target: target)
        if let demanded {
            request.check = { path in
                _ = try SourceFile(role: role, path: path, demanded: demanded, bytesMax: bytesMax)
            }
        }
        do {
            return try await downloader.download(request).file.path
        } catch {
            throw .download(role: role, reason: error.description, code: error.code)
        }
    }
}

extension [RetrainingPlan.Mirror] {
    /// Neighbours that demand the same digest, together.
    fileprivate func chunked(byDemands demands: [String?]) -> [ArraySlice<Element>] {
        var chunks: [ArraySlice<Element>] = []
        var start = startIndex
        for index in indices where index == endIndex - 1 || demands[index + 1] != demands[index] {
            chunks.append(self[start...index])
            start = index + 1
        }
        return chunks
    }
}

/// Reads a source's bytes, unpacked when they are packed, and their digest.
struct SourceFile {
    let bytes: [UInt8]
    let digest: Digest256

    /// - Throws: ``RetrainingError`` naming the role.
    init(
        role: String,
        path: String,
        demanded: String?,
        bytesMax: Int
    ) throws(RetrainingError) {
        do {
            let raw = try WholeFile.read(path, bytesMax: bytesMax)
            bytes =
                Gzip.isGzip(raw.span)
                ? try Gzip.decompress(raw, outputBytesMax: bytesMax) : raw
            digest = try SHA256Digest.of(bytes)
        } catch let error as CompressionError {
            throw .data(role: role, reason: "\(error)", code: error.code)
        } catch let error as FileError {
            throw .data(role: role, reason: "\(error)", code: error.code)
        } catch {
            throw .data(role: role, reason: "\(error)", code: "unreadable")
        }
        if let demanded, demanded.lowercased() != digest.hex {
            throw .digestMismatch(role: role, expected: demanded, found: digest.hex)
        }
    }
}

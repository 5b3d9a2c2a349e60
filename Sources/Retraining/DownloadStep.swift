internal import Compression
internal import Digest
internal import Files
internal import FoundationEssentials
internal import ModelStore
internal import Synchronization
internal import Transfer

/// The files of a run as they lie on disk.
struct DownloadedSources {
    /// Paths by role: `train.features`, `train.labels`, and the same of `test` and `golden`.
    var paths: [String: String] = [:]
    /// The training rows of an earlier version, oldest first, when that is made again.
    var parts: [Part]?
    /// Captured rows whose labels came by feedback, oldest first.
    var feedback: [Part] = []

    /// Files that belong together, with the digests they must have; nil takes any.
    struct Part {
        var features: String
        var labels: String?
        var featuresDigest: String?
        var labelsDigest: String?
    }
}

/// The first step: fetches each source from the first mirror that gives it.
///
/// Unchanged data costs one round trip; a mirror whose file has the wrong digest is passed over.
struct DownloadStep {
    let plan: RetrainingPlan
    let downloader: Downloader
    let folder: String
    /// The time, which a signed list must not have outlived.
    var now = Date(timeIntervalSince1970: 0)
    /// Whether hosts are asked that were in trouble of late: a person wants to know now.
    var ignoresCircuits = true
    /// Told how far a transfer is.
    var tell: @Sendable (RetrainingEvent) -> Void = { _ in }

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
        let list = try await signedList()
        for (role, mirrors) in roles() {
            sources.paths[role] = try await fetch(role, mirrors, list)
        }
        sources.feedback = feedback()
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

    private func fetch(
        _ role: String,
        _ mirrors: [RetrainingPlan.Mirror],
        _ list: SignedList?
    )
        async throws(RetrainingError) -> String
    {
        let target = "\(folder)/\(plan.model)-\(role)"
        let demands = try mirrors.map { mirror throws(RetrainingError) in
            Demand(sha256: mirror.sha256, listed: try list?.file(of: mirror))
        }
        // Mirrors with the same demand are one request, so that a retry can turn to any of them.
        var reasons: [RetrainingError] = []
        for (group, demand) in mirrors.chunked(by: demands) {
            do {
                return try await fetch(role, group, target, demand)
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
        _ target: String,
        _ demand: Demand
    )
        async throws(RetrainingError) -> String
    {
        let bytesMax = plan.decompressedBytesMax
        var request = request(role, mirrors, target)
        request.expected = demand.listed.map { ExpectedFile(bytes: $0.bytes, sha256: $0.sha256) }
        if let demanded = demand.sha256 {
            request.check = { path in
                _ = try SourceFile(role: role, path: path, demanded: demanded, bytesMax: bytesMax)
            }
        }
        return try await download(role, request).path
    }

    private func request(
        _ role: String,
        _ mirrors: some Sequence<RetrainingPlan.Mirror>,
        _ target: String
    ) -> DownloadRequest {
        var request = DownloadRequest(mirrors: mirrors.map(\.url), target: target)
        for mirror in mirrors where mirror.access != SourceAccess() {
            request.access[mirror.url] = mirror.access
        }
        request.source = role
        request.ignoresCircuits = ignoresCircuits
        request.progress = progress(role)
        return request
    }

    /// Tells where a transfer stands, some times a second at most.
    private func progress(_ role: String) -> @Sendable (DownloadProgress) -> Void {
        let tell = tell
        let told = Mutex(ContinuousClock.now)
        return { now in
            let time = ContinuousClock.now
            let isDue = told.withLock { last in
                guard time - last >= .milliseconds(250) else { return false }
                last = time
                return true
            }
            if isDue { tell(.transfer(RetrainingEvent.Fetching(role, now))) }
        }
    }

    private func download(
        _ role: String,
        _ request: DownloadRequest
    ) async throws(RetrainingError) -> DownloadedFile {
        do {
            return try await downloader.download(request).file
        } catch {
            throw .download(role: role, reason: error.description, code: error.code)
        }
    }

    /// Captured rows, if they are learned from.
    private func feedback() -> [DownloadedSources.Part] {
        guard let folder = plan.data.feedbackFolder else { return [] }
        return CaptureFolder.files(in: folder).map {
            DownloadedSources.Part(features: $0.features, labels: $0.labels)
        }
    }
}

extension DownloadStep {
    /// Fetches the signed list and believes it, if the plan has one.
    private func signedList() async throws(RetrainingError) -> SignedList? {
        guard let policy = plan.data.signedList else { return nil }
        var keys: [Ed25519PublicKey] = []
        for path in policy.keyFiles {
            let text = try read(path, bytesMax: 1 << 16)
            keys.append(try PublicKeyFile.read(text, path: path))
        }
        let (target, role) = ("\(folder)/\(plan.model)-manifest", "manifest")
        var request = request(role, policy.mirrors, "\(target).json")
        request.bytesMax = SignedList.bytesMax
        // The signature tells a cut list from a whole one.
        request.allowsUnknownLength = true
        // Both from the same mirror, or they may be of two lists.
        let file = try await download(role, request)
        let mirror = policy.mirrors.filter { $0.url == file.mirror }.map { mirror in
            RetrainingPlan.Mirror(url: mirror.url + ".sig", sha256: nil, access: mirror.access)
        }
        request = self.request(role, mirror, "\(target).sig")
        request.bytesMax = 4096
        request.allowsUnknownLength = true
        let signature = try await download(role, request)
        let list = try SignedList(
            read(file.path, bytesMax: SignedList.bytesMax),
            signature: read(signature.path, bytesMax: 4096),
            keys: keys
        )
        try believe(list, "\(target).believed.json")
        return list
    }

    /// Compares the list with the one before, and remembers it.
    private func believe(_ list: SignedList, _ path: String) throws(RetrainingError) {
        var last: SignedList.Believed?
        if Folder.exists(path) {
            let bytes = try read(path, bytesMax: 4096)
            do {
                last = try StoreJSON.decode(SignedList.Believed.self, from: bytes, path: path)
            } catch {
                // Without it an old list could be passed off as new: somebody must look.
                throw SignedList.refusal("\(error)", "list_unreadable")
            }
        }
        try list.check(against: last, now: now)
        if last == list.believed { return }
        do {
            try WholeFile.replace(path, StoreJSON.encode(list.believed))
        } catch {
            throw SignedList.refusal("\(error)", "list_unreadable")
        }
    }

    private func read(_ path: String, bytesMax: Int) throws(RetrainingError) -> [UInt8] {
        do {
            return try WholeFile.read(path, bytesMax: bytesMax)
        } catch {
            throw SignedList.refusal("\(error)", "list_unreadable")
        }
    }
}

/// What a file must be.
private struct Demand: Equatable {
    let sha256: String?
    let listed: SignedList.File?
}

extension SignedList {
    /// What the list says of a mirror's file, by the last part of its URL.
    fileprivate func file(of mirror: RetrainingPlan.Mirror) throws(RetrainingError) -> File {
        let path = mirror.url.prefix { $0 != "?" && $0 != "#" }
        let name = String(path.split(separator: "/").last ?? "")
        guard let file = files[name] else {
            throw Self.refusal("it has no file \"\(name.prefix(80))\"", "file_not_listed")
        }
        return file
    }
}

extension [RetrainingPlan.Mirror] {
    /// Neighbours with the same demand, together.
    fileprivate func chunked(by demands: [Demand]) -> [(ArraySlice<Element>, Demand)] {
        var chunks: [(ArraySlice<Element>, Demand)] = []
        var start = startIndex
        for index in indices where index == endIndex - 1 || demands[index + 1] != demands[index] {
            chunks.append((self[start...index], demands[index]))
            start = index + 1
        }
        return chunks
    }
}

/// Reads a source's bytes, unpacked when they are packed, and their digest.
struct SourceFile {
    let path: String
    let bytes: [UInt8]
    let digest: Digest256

    /// - Throws: ``RetrainingError`` naming the role.
    init(
        role: String,
        path: String,
        demanded: String?,
        bytesMax: Int
    ) throws(RetrainingError) {
        self.path = path
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

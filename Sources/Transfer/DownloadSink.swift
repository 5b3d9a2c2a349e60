internal import Files

/// Takes the body of a download's answer to the disk, within the size limit.
final class DownloadSink: BodySink {
    /// Why this sink ended the transfer, if it did.
    private(set) var failure: TransferError?
    /// The bytes of body that came, kept or not.
    private(set) var receivedBytes = 0
    /// Whether the answer is not the rest of the file that was asked for.
    private(set) var isRestWrong = false
    private let plan: AttemptPlan
    private let partial: PartialDownload?
    private let start = ContinuousClock.now
    private var file: TemporaryDownload?
    private var hasBegun = false
    /// The length of the whole file, as the answer with its rest says.
    private var wholeBytes: Int?

    /// A sink for a whole file, or for the rest of one.
    ///
    /// - Parameters:
    ///   - plan: The attempt.
    ///   - partial: What `file` is a part of.
    ///   - file: The part that is there.
    init(
        _ plan: AttemptPlan,
        _ partial: PartialDownload? = nil,
        resuming file: TemporaryDownload? = nil
    ) {
        self.plan = plan
        self.partial = partial
        self.file = file
    }

    override func receive(_ bytes: RawSpan) -> Bool {
        let (total, isTooMuch) = receivedBytes.addingReportingOverflow(bytes.byteCount)
        receivedBytes = isTooMuch ? .max : total
        guard bringsData else {
            // An error's page is read to its end if it is short, which saves the connection.
            return receivedBytes <= Self.ignoredBytesMax
        }
        do {
            let file = try begin()
            if isRestWrong { return false }
            guard bytes.byteCount <= plan.bytesMax - file.bytes else {
                failure = plan.tooLarge
                return false
            }
            try file.append(bytes)
            plan.request.progress?(progress(file.bytes))
        } catch {
            failure = .disk(error)
            return false
        }
        return true
    }

    /// Whether the answer's body is the file or its rest.
    private var bringsData: Bool {
        plan.url.scheme == .file || status == 200 || (status == 206 && partial != nil)
    }

    private func progress(_ bytes: Int) -> DownloadProgress {
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        return DownloadProgress(
            bytes: bytes,
            bytesExpected: wholeBytes ?? bytesExpected,
            bytesPerSecond: seconds > 0.001 ? Double(receivedBytes) / seconds : nil
        )
    }

    /// The file with all that came; an empty one if nothing came.
    ///
    /// - Throws: ``TransferError/disk(_:)``, and ``TransferError/failed(_:url:detail:)`` when the
    ///   rest did not make the file whole.
    func finishedFile() throws(TransferError) -> TemporaryDownload {
        let file: TemporaryDownload
        do {
            file = try begin()
        } catch {
            throw .disk(error)
        }
        if let wholeBytes, file.bytes != wholeBytes {
            let detail = "\(file.bytes) bytes came of \(wholeBytes)"
            throw .failed(.interrupted, url: plan.url.redacted, detail: detail)
        }
        return file
    }

    /// Keeps what came, to go on with it later, if the answer allows that.
    func suspend(_ etag: String?) {
        guard let file, file.bytes > 0, hasBegun || partial != nil, failure == nil, !isRestWrong,
            let etag = hasBegun ? etag : partial?.etag, PartialDownload.isStrong(etag)
        else { return }
        let partial = PartialDownload(url: plan.url.text, etag: etag, bytes: file.bytes)
        do {
            try file.suspend(to: PartialDownload.path(for: plan.request.target))
            try partial.write(for: plan.request.target)
        } catch {
            // Then the next attempt begins at the beginning.
            PartialDownload.remove(for: plan.request.target)
        }
    }

    /// Opens the file, and decides what becomes of a part that is there.
    private func begin() throws(FileError) -> TemporaryDownload {
        if hasBegun, let file { return file }
        hasBegun = true
        guard let file else {
            let made = try TemporaryDownload(beside: plan.request.target)
            self.file = made
            return made
        }
        if status == 206, let partial {
            let range = field("Content-Range")
            wholeBytes = partial.wholeBytes(contentRange: range, etag: field("ETag"))
            isRestWrong = wholeBytes == nil
        } else {
            // The whole file, since it is another one by now.
            try file.restart()
        }
        return file
    }

    private static let ignoredBytesMax = 64 << 10
}

extension AttemptPlan {
    /// The error for a file that is longer than it may be.
    var tooLarge: TransferError {
        if let expected = request.expected, expected.bytes <= bytesMax {
            let reason = "there are more than the \(expected.bytes) bytes of the signed list"
            return .refused(url: url.redacted, reason: reason)
        }
        return .tooLarge(url: url.redacted, bytesMax: bytesMax)
    }
}

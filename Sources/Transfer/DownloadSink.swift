internal import Files

/// Takes the body of a download's answer to the disk, within the size limit.
final class DownloadSink: BodySink {
    /// Why this sink ended the transfer, if it did.
    private(set) var failure: TransferError?
    /// The bytes of body that came, kept or not.
    private(set) var receivedBytes = 0
    private let plan: AttemptPlan
    private var file: TemporaryDownload?

    init(_ plan: AttemptPlan) {
        self.plan = plan
    }

    override func receive(_ bytes: RawSpan) -> Bool {
        let (total, isTooMuch) = receivedBytes.addingReportingOverflow(bytes.byteCount)
        receivedBytes = isTooMuch ? .max : total
        guard plan.url.scheme == .file || status == 200 else {
            // An error's page is read to its end if it is short, which saves the connection.
            return receivedBytes <= Self.ignoredBytesMax
        }
        guard receivedBytes <= plan.bytesMax else {
            failure = .tooLarge(url: plan.url.redacted, bytesMax: plan.bytesMax)
            return false
        }
        do {
            try open().append(bytes)
        } catch {
            failure = .disk(error)
            return false
        }
        plan.request.progress?(DownloadProgress(bytes: receivedBytes, bytesExpected: bytesExpected))
        return true
    }

    /// The file with all that came; an empty one if nothing came.
    ///
    /// - Throws: ``TransferError/disk(_:)``.
    func finishedFile() throws(TransferError) -> TemporaryDownload {
        do {
            return try open()
        } catch {
            throw .disk(error)
        }
    }

    private func open() throws(FileError) -> TemporaryDownload {
        if let file { return file }
        let made = try TemporaryDownload(beside: plan.request.target)
        file = made
        return made
    }

    private static let ignoredBytesMax = 64 << 10
}

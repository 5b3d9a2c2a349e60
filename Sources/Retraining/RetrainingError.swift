package import ModelStore

/// Why a retrain failed; the version that was current still is.
package enum RetrainingError: Error, Sendable, CustomStringConvertible {
    /// A schedule that cannot be read.
    case schedule(text: String, reason: String)
    /// A place whose local time is not known.
    case timeZone(name: String, reason: String)
    /// A file could not be downloaded from any mirror.
    case download(role: String, reason: String, code: String)
    /// A file's decompressed bytes have another digest than the configuration demands.
    case digestMismatch(role: String, expected: String, found: String)
    /// A file cannot be read as what it should be, or its rows make no sense.
    case data(role: String, reason: String, code: String)
    /// Fitting failed: the loss or the weights are no longer finite.
    case training(String)
    /// Weights from elsewhere cannot be read, or do not fit the model.
    case weights(reason: String, code: String)
    /// The store refused.
    case store(StoreError)
    /// A version cannot be made again, or came out otherwise.
    case notReproduced(version: Int, reason: String)
    /// The run took longer than the configuration allows, or was ended from outside.
    case ended(reason: String)
    /// The child made no progress for so long that it was ended.
    case stalled(seconds: Int)
    /// There is less room on the disk than a run needs.
    case diskLow(path: String, freeBytes: Int, bytesMin: Int)
    /// The child could not be started, or ended without a word.
    case child(reason: String)
    /// The child ended with an error of its own.
    case reported(code: String, message: String)

    /// A stable word for labels and JSON.
    package var code: String {
        switch self {
        case .schedule: "schedule_invalid"
        case .timeZone: "time_zone_invalid"
        case .download(_, _, let code): "download_\(code)"
        case .digestMismatch: "data_digest_mismatch"
        case .data(_, _, let code): "data_\(code)"
        case .training: "training_failed"
        case .weights(_, let code): code
        case .store(let error): error.code
        case .notReproduced: "not_reproduced"
        case .ended: "ended"
        case .stalled: "stalled"
        case .diskLow: "disk_low"
        case .child: "child_failed"
        case .reported(let code, _): code
        }
    }

    /// Why, without what it was about.
    package var reason: String {
        switch self {
        case .schedule(_, let reason), .timeZone(_, let reason): reason
        default: description
        }
    }

    /// What failed, why, and what to do.
    package var description: String {
        switch self {
        case .schedule(let text, let reason): "retrain.schedule: \(text): \(reason)"
        case .timeZone(let name, let reason): "retrain.time_zone: \(name): \(reason)"
        case .download(let role, let reason, _): "download of \(role) failed: \(reason)"
        case .digestMismatch(let role, let expected, let found):
            "\(role): SHA-256 of the decompressed bytes is \(found), the configuration demands \(expected)"
        case .data(let role, let reason, _): "\(role): \(reason)"
        case .training(let reason): "training failed: \(reason)"
        case .weights(let reason, _): reason
        case .store(let error): error.description
        case .notReproduced(let version, let reason):
            "version \(version) was not made again: \(reason)"
        case .ended(let reason): "retrain ended: \(reason)"
        case .stalled(let seconds):
            "retrain ended: it made no progress for \(seconds) s: see retrain.stalled_seconds_max"
        case .diskLow(let path, let freeBytes, let bytesMin):
            "\(path): \(freeBytes) bytes are free, disk_free_bytes_min asks for \(bytesMin): "
                + "make room on that disk"
        case .child(let reason): "retraining process: \(reason)"
        case .reported(_, let message): message
        }
    }
}

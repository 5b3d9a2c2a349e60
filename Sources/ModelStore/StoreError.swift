internal import Digest
package import Files

/// What can be wrong with a stored model.
package enum StoreError: Error, Sendable, CustomStringConvertible {
    /// The disk refused.
    case file(FileError)
    /// No version has been published yet.
    case empty(model: String)
    /// The version is not in the store.
    case missingVersion(model: String, version: Int)
    /// A file of the version is not the one that the manifest names.
    case digestMismatch(path: String, expected: String, found: String)
    /// A file of the version cannot be understood.
    case malformed(path: String, reason: String)
    /// The loaded network does not answer the version's self-test vectors as it did in training.
    case selfTestFailed(path: String, row: Int, difference: Float, tolerance: Float)
    /// Another process is retraining the model.
    case locked(model: String)
    /// There is no earlier version to go back to.
    case nothingToRollBack(model: String, version: Int)
    /// A version is pinned, so that another one cannot be made current.
    case pinned(model: String, version: Int)

    /// A stable word for labels and JSON.
    package var code: String {
        switch self {
        case .file(let error): error.code
        case .empty: "store_empty"
        case .missingVersion: "version_missing"
        case .digestMismatch: "digest_mismatch"
        case .malformed: "bundle_malformed"
        case .selfTestFailed: "self_test_failed"
        case .locked: "store_locked"
        case .nothingToRollBack: "nothing_to_roll_back"
        case .pinned: "version_pinned"
        }
    }

    /// What failed, why, and what to do.
    package var description: String {
        switch self {
        case .file(let error):
            "model store: \(error)"
        case .empty(let model):
            "model \(model): no version has been published yet: run leeway retrain"
        case .missingVersion(let model, let version):
            "model \(model): version \(version) is not in the store: see leeway models list"
        case .digestMismatch(let path, let expected, let found):
            "\(path): the file is damaged: its SHA-256 is \(found), the manifest says \(expected)"
        case .malformed(let path, let reason):
            "\(path): \(reason)"
        case .selfTestFailed(let path, let row, let difference, let tolerance):
            "\(path): self-test row \(row) differs by \(difference), the limit is \(tolerance)"
        case .locked(let model):
            "model \(model): another retrain holds the lock: wait for it to end"
        case .nothingToRollBack(let model, let version):
            "model \(model): no version before \(version) is in the store"
        case .pinned(let model, let version):
            "model \(model): version \(version) is pinned: unpin it first"
        }
    }
}

/// Turns a file error into a store error.
func inStore<Result: ~Copyable>(
    _ body: () throws(FileError) -> Result
) throws(StoreError) -> Result {
    do {
        return try body()
    } catch {
        throw .file(error)
    }
}

/// The SHA-256 of a file's bytes in hexadecimal.
func sha256(of bytes: [UInt8], path: String) throws(StoreError) -> String {
    do {
        return try SHA256Digest.of(bytes).hex
    } catch {
        throw .malformed(path: path, reason: "\(error)")
    }
}

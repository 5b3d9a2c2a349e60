internal import FoundationEssentials
import Glibc

/// A folder of its own for one test, removed with all that is in it when the test ends.
///
/// The owner is not copyable, so the folder cannot outlive the test by accident.
package struct TemporaryDirectory: ~Copyable, Sendable {
    /// The absolute path, without a trailing slash.
    package let path: String

    /// Makes the folder below the system's temporary directory.
    ///
    /// - Throws: ``Failure`` when the folder cannot be made.
    package init() throws {
        let base = unsafe getenv("TMPDIR").map { unsafe String(cString: $0) } ?? "/tmp"
        var template = Array("\(base)/leeway-test-XXXXXX".utf8CString)
        let made = unsafe template.withUnsafeMutableBufferPointer { buffer in
            unsafe buffer.baseAddress.map { unsafe mkdtemp($0) != nil } ?? false
        }
        guard made else { throw Failure(errorNumber: errno) }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// The path of an entry in the folder.
    package func path(_ name: String) -> String { "\(path)/\(name)" }

    deinit {
        try? FileManager.default.removeItem(atPath: path)
    }

    /// The folder could not be made.
    package struct Failure: Error {
        /// The `errno` of `mkdtemp`.
        package let errorNumber: Int32
    }
}

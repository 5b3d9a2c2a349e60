import Files
import FoundationEssentials
import ModelStore
import ModelTestSupport
import TestSupport

/// A store in a folder of its own.
final class Bench {
    let folder: TemporaryDirectory
    let store: ModelDirectory

    init(versions: Int = 0) throws {
        folder = try TemporaryDirectory()
        store = ModelDirectory(state: folder.path, model: "lines")
        for version in 0..<versions { try store.publishTiny(sharpness: Float(version + 2)) }
    }

    /// The versions that the journal speaks of, with what was done to them.
    func journal() throws -> [String] {
        try store.history().map { "\($0.event.rawValue) \($0.version)" }
    }

    /// The names in the model's folder and in that of its versions.
    func names() throws -> [String] {
        try Folder.list(store.path) + Folder.list("\(store.path)/versions")
    }
}

/// A minute after the versions were made.
let later = TinyModel.created.addingTimeInterval(60)

/// All five files of a version.
let fileNames = [
    ModelBundle.manifestName, ModelBundle.networkName, ModelBundle.referenceName,
    ModelBundle.selfTestName, ModelBundle.reportName,
]

/// The code of the error that a piece of work throws; "none" when it throws none.
func code(_ work: () throws -> Void) -> String {
    do {
        try work()
        return "none"
    } catch let error as StoreError {
        return error.code
    } catch {
        return "\(error)"
    }
}

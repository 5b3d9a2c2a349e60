internal import Features
internal import NeuralNetwork

/// A version that has been loaded, has passed its self-test, and may answer requests.
///
/// Immutable and shared: each event loop holds a reference of its own, a request uses the one
/// it started with to its end, and the last holder lets the version go off the request path.
package final class ActiveModel: Sendable {
    /// The version with all its parts.
    package let bundle: ModelBundle

    /// The model's name.
    package var name: String { bundle.manifest.model }
    /// The version's number.
    package var version: Int { bundle.manifest.version }

    /// Runs the self-test and, if it passes, makes the version ready to serve.
    ///
    /// - Parameter bundle: A version whose files were checked.
    /// - Throws: ``StoreError/selfTestFailed(path:row:difference:tolerance:)``.
    package init(_ bundle: ModelBundle) throws(StoreError) {
        self.bundle = bundle
        try Self.check(bundle)
    }

    /// Loads the version that a folder's pointer names.
    ///
    /// - Parameter directory: The model's folder.
    /// - Returns: The version, ready to serve.
    /// - Throws: ``StoreError``, ``StoreError/empty(model:)`` before the first publication.
    package static func current(of directory: ModelDirectory) throws(StoreError) -> ActiveModel {
        guard let pointer = try directory.current() else { throw .empty(model: directory.model) }
        return try ActiveModel(
            ModelBundle.load(
                from: directory,
                version: pointer.version,
                manifestSHA256: pointer.manifestSHA256
            )
        )
    }

    /// Loads the newest version that passes every check, for a start with a damaged pointer.
    ///
    /// - Parameter directory: The model's folder.
    /// - Returns: The version; nil when none passes.
    package static func newestValid(of directory: ModelDirectory) -> ActiveModel? {
        for version in ((try? directory.versions()) ?? []).reversed() {
            guard let digest = try? directory.manifestDigest(of: version),
                let bundle = try? ModelBundle.load(
                    from: directory,
                    version: version,
                    manifestSHA256: digest
                ),
                let model = try? ActiveModel(bundle)
            else { continue }
            return model
        }
        return nil
    }

    private static func check(_ bundle: ModelBundle) throws(StoreError) {
        let test = bundle.selfTest
        let schema = bundle.manifest.schema
        var inputs = [Float](repeating: 0, count: test.rowCount * schema.encodedWidth)
        var target = inputs.mutableSpan
        schema.encode(raw: test.rows.span, into: &target)
        var scratch = InferenceScratch()
        bundle.network.forward(rows: inputs.span, rowCount: test.rowCount, scratch: &scratch)
        for (index, expected) in test.probabilities.enumerated() {
            let difference = abs(scratch.probabilities[index] - expected)
            // Regression answers have any size: the tolerance is relative above one.
            let tolerance = SelfTest.tolerance * max(1, abs(expected))
            // A NaN difference must fail, so the comparison asks for "within".
            guard difference <= tolerance else {
                throw .selfTestFailed(
                    path: "model \(bundle.manifest.model) version \(bundle.manifest.version)",
                    row: index / max(1, bundle.network.outputWidth),
                    difference: difference,
                    tolerance: tolerance
                )
            }
        }
    }
}

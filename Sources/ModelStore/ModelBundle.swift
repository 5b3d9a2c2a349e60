internal import Digest
package import Drift
internal import Features
internal import Files
package import NeuralNetwork

/// One version of a model, read whole and checked: what a server needs to answer.
package struct ModelBundle: Sendable {
    /// What it is and where it came from.
    package let manifest: Manifest
    /// The SHA-256 of `manifest.json`, in hexadecimal: it covers all files of the version.
    package let digest: String
    /// The weights, with the temperature of the manifest.
    package let network: MultilayerPerceptron
    /// What live inputs are compared with.
    package let reference: ReferenceProfile
    /// Rows with known answers.
    package let selfTest: SelfTest

    /// The manifest's file name.
    package static let manifestName = "manifest.json"
    /// The weights' file name.
    package static let networkName = "model.safetensors"
    /// The drift reference's file name.
    package static let referenceName = "reference.json"
    /// The self-test's file name.
    package static let selfTestName = "selftest.safetensors"
    /// The report's file name.
    package static let reportName = "report.json"
    /// The file name of the report's page; versions of earlier builds have none.
    package static let pageName = "report.html"

    /// No JSON file of a version is larger, in bytes.
    package static let textBytesMax = 64 << 20
    /// No weights are larger, in bytes.
    package static let weightBytesMax = 4 << 30

    /// Reads a version and checks every byte against the manifest.
    ///
    /// - Parameters:
    ///   - directory: The model's folder.
    ///   - version: The version.
    ///   - manifestSHA256: What the manifest's digest has to be.
    /// - Returns: The version, with shapes that fit together.
    /// - Throws: ``StoreError``.
    package static func load(
        from directory: ModelDirectory,
        version: Int,
        manifestSHA256: String
    ) throws(StoreError) -> ModelBundle {
        let folder = directory.folder(of: version)
        let (manifest, digest) = try Manifest.readWithDigest(from: directory, version: version)
        guard digest == manifestSHA256.lowercased() else {
            throw .digestMismatch(
                path: "\(folder)/\(manifestName)",
                expected: manifestSHA256,
                found: digest
            )
        }
        let files = VersionFiles(folder: folder, manifest: manifest)
        var network = try files.network()
        network.temperature = try manifest.temperature(folder: folder)
        let bundle = ModelBundle(
            manifest: manifest,
            digest: digest,
            network: network,
            reference: try files.reference(),
            selfTest: try files.selfTest()
        )
        _ = try files.read(reportName, bytesMax: textBytesMax)
        if manifest.files[pageName] != nil { _ = try files.read(pageName, bytesMax: textBytesMax) }
        try bundle.checkShapes(folder: folder)
        return bundle
    }

    /// Checks that the weights, the schema, the labels and the self-test speak of one model.
    private func checkShapes(folder: String) throws(StoreError) {
        let outputs = manifest.task == .classification ? manifest.labels.count : 1
        let problem: String? =
            if network.inputWidth != manifest.schema.encodedWidth {
                "the network takes \(network.inputWidth) inputs, the schema makes \(manifest.schema.encodedWidth)"
            } else if network.outputWidth != outputs {
                "the network has \(network.outputWidth) outputs, the task needs \(outputs)"
            } else if network.head != manifest.task.head {
                "the network's head is \(network.head), the task needs \(manifest.task.head)"
            } else if !selfTest.hasRows(width: manifest.schema.rawWidth, outputs: outputs) {
                "the self-test's rows do not have the schema's width"
            } else if reference.rawWidth != manifest.schema.rawWidth
                || reference.outputWidth != outputs
            {
                "the reference profile is of other rows than the schema's"
            } else {
                nil
            }
        if let problem { throw .malformed(path: folder, reason: problem) }
    }
}

extension ModelTask {
    /// What the last layer's logits mean for this task.
    package var head: Head {
        switch self {
        case .classification: .softmax
        case .binary: .sigmoid
        case .regression: .linear
        }
    }
}

extension Manifest {
    /// The temperature, checked.
    fileprivate func temperature(folder: String) throws(StoreError) -> Temperature? {
        guard let value = calibration?.temperature else { return nil }
        guard task != .regression, let temperature = Temperature(value) else {
            throw .malformed(
                path: "\(folder)/\(ModelBundle.manifestName)",
                reason: "calibration.temperature \(value) of a \(task.rawValue): a classifier may "
                    + "have one of \(Temperature.range)"
            )
        }
        return temperature
    }
}

/// The files of one version, each checked against the manifest as it is read.
private struct VersionFiles {
    let folder: String
    let manifest: Manifest

    func read(_ name: String, bytesMax: Int) throws(StoreError) -> [UInt8] {
        let path = "\(folder)/\(name)"
        guard let facts = manifest.files[name] else {
            throw .malformed(
                path: "\(folder)/\(ModelBundle.manifestName)",
                reason: "\(name) is not listed"
            )
        }
        let bytes = try inStore { () throws(FileError) in
            try WholeFile.read(path, bytesMax: bytesMax)
        }
        let digest = try sha256(of: bytes, path: path)
        guard digest == facts.sha256 else {
            throw .digestMismatch(path: path, expected: facts.sha256, found: digest)
        }
        return bytes
    }

    func network() throws(StoreError) -> MultilayerPerceptron {
        let bytes = try read(ModelBundle.networkName, bytesMax: ModelBundle.weightBytesMax)
        do {
            return try MultilayerPerceptron(safetensors: bytes)
        } catch {
            throw .malformed(path: "\(folder)/\(ModelBundle.networkName)", reason: "\(error)")
        }
    }

    func reference() throws(StoreError) -> ReferenceProfile {
        let bytes = try read(ModelBundle.referenceName, bytesMax: ModelBundle.textBytesMax)
        return try StoreJSON.decode(
            ReferenceProfile.self,
            from: bytes,
            path: "\(folder)/\(ModelBundle.referenceName)"
        )
    }

    func selfTest() throws(StoreError) -> SelfTest {
        let bytes = try read(ModelBundle.selfTestName, bytesMax: ModelBundle.weightBytesMax)
        return try SelfTest(safetensors: bytes, path: "\(folder)/\(ModelBundle.selfTestName)")
    }
}

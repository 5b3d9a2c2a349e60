internal import NeuralNetwork

/// A few rows of the hold-out with the answers that the network gave right after training.
///
/// A version goes live only where it gives these answers again: a damaged file that slipped
/// past its digest, a wrong schema, or a machine whose kernels compute something else is
/// found before a client sees it.
package struct SelfTest: Sendable, Equatable {
    /// Raw rows, as `FeatureSchema` defines them, one after the other; `rowCount × rawWidth`.
    package var rows: [Float]
    /// The answers; `rowCount × outputWidth`.
    package var probabilities: [Float]
    /// The number of rows.
    package var rowCount: Int

    /// Takes rows and answers of matching counts.
    package init(rows: [Float], probabilities: [Float], rowCount: Int) {
        self.rows = rows
        self.probabilities = probabilities
        self.rowCount = rowCount
    }

    /// How far an answer may be from the recorded one: kernels differ in the order of sums.
    package static let tolerance: Float = 1e-3
    /// Rows in the self-test of a new version, at most.
    package static let rowsMax = 32

    /// Whether there is a row, and each has as many values and answers as it should.
    func hasRows(width: Int, outputs: Int) -> Bool {
        // The count comes from the file and may be any number, so it is never multiplied.
        rowCount > 0 && rows.count % rowCount == 0 && rows.count / rowCount == width
            && probabilities.count % rowCount == 0 && probabilities.count / rowCount == outputs
    }

    /// The file's bytes: safetensors with `rows` and `probabilities`, both `[rowCount, width]`.
    ///
    /// - Throws: `SafetensorsError` when the counts do not fit the number of rows.
    func encoded() throws -> [UInt8] {
        let divisor = max(1, rowCount)
        return try SafetensorsFile(
            metadata: ["format": "leeway-selftest"],
            tensors: [
                SafetensorsFile.Tensor(
                    name: "rows",
                    shape: [rowCount, rows.count / divisor],
                    values: rows
                ),
                SafetensorsFile.Tensor(
                    name: "probabilities",
                    shape: [rowCount, probabilities.count / divisor],
                    values: probabilities
                ),
            ]
        ).encoded()
    }

    /// Reads the file's bytes.
    ///
    /// - Throws: ``StoreError/malformed(path:reason:)``.
    init(safetensors bytes: [UInt8], path: String) throws(StoreError) {
        do {
            let file = try SafetensorsFile(decoding: bytes)
            guard let rows = file["rows"], let answers = file["probabilities"],
                rows.shape.count == 2, answers.shape.count == 2, rows.shape[0] == answers.shape[0]
            else {
                throw StoreError.malformed(
                    path: path,
                    reason: "expected the tensors rows and probabilities of as many rows"
                )
            }
            self.init(rows: rows.values, probabilities: answers.values, rowCount: rows.shape[0])
        } catch let error as StoreError {
            throw error
        } catch {
            throw .malformed(path: path, reason: "\(error)")
        }
    }
}

internal import CKernels

/// What is shared out how.
extension TrainingStep {
    /// Whether each member makes some outputs of a layer for all rows, and owns their weights.
    func sharesOutputs(of layer: TrainingLayer) -> Bool {
        members > 1 && layer.outputs >= ComputeTeam.outputsMin * members
    }

    /// The outputs of a layer that are a member's: whole panels.
    func share(of layer: TrainingLayer, _ member: Int) -> Range<Int> {
        share(of: layer.outputs, member: member, group: layer.panelWidth)
    }

    /// Whether each member makes the slopes by some inputs of a layer for all rows: where the
    /// weights are more than a core's cache holds (half a mebibyte).
    func sharesInputs(of layer: TrainingLayer) -> Bool {
        members > 1 && layer.inputs * layer.width >= 1 << 17
    }
}

extension TrainingStep {
    /// What a member needs for itself.
    final class Desk {
        /// Inputs of a layer whose slopes are made at a time.
        static let inputs = 192
        /// Inputs of a panel whose weights are moved at a time: 12 KiB of slopes.
        static let block = 48

        /// The rows that go into the network: batch × inputs.
        let rows: AlignedFloats
        /// The transposed deltas of a layer: outputs × rows.
        let deltas: AlignedFloats
        /// The slopes by some inputs: inputs × rows.
        let slopes: AlignedFloats
        /// The slopes by a block of weights.
        let weights: AlignedFloats
        /// Rows whose class was right in the last step.
        var correct = 0

        init(inputs: Int, widest: Int, batch: Int) {
            rows = AlignedFloats(count: batch * inputs)
            let columns = leeway_padded(batch)
            deltas = AlignedFloats(count: widest * columns)
            slopes = AlignedFloats(count: Self.inputs * columns)
            weights = AlignedFloats(count: Self.block * PackedWeights.panelWidth)
        }
    }
}

extension TrainingStep.Dropping {
    /// The mask of a part of a layer's outputs; a part has the bits of the whole.
    func mask(
        layer index: Int,
        of layer: TrainingLayer,
        _ rows: Range<Int>,
        _ columns: Range<Int>
    ) -> leeway_dropout {
        var keys = RandomSource(seed: seed, stream: 1000 + UInt64(index))
        let bits = keys.next()
        return leeway_dropout(
            key1: UInt32(truncatingIfNeeded: bits),
            key2: UInt32(truncatingIfNeeded: bits >> 32),
            threshold: UInt32(Double(share) * 0x1p32),
            scale: 1 / (1 - share),
            width: layer.outputs,
            first_row: rows.lowerBound,
            first_column: columns.lowerBound
        )
    }
}

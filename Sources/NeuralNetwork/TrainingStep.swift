internal import CKernels

/// The arithmetic of one step, shared out over a team: forward, loss, backward, new weights.
///
/// Whoever shares the work, every number is one sum in one order, so that the weights have the
/// same bits with any number of threads:
/// - *forward*: a layer is shared out by its outputs where they are many, else by the batch's rows;
/// - *backward*: the slopes by a large layer's inputs are shared out by the inputs, else by rows;
/// - *update*: each member owns a part of every layer's weights, where it can the part that it
///   reads in the forward pass; it makes the slopes by them from the whole batch, block by block in
///   the nearest cache, and moves them at once.
///
/// Every member has its own copy of the rows that go in: to fetch them from another core would
/// take longer than to make them.
///
/// Bounds: all memory is that of ``TrainingLayer`` and ``Desk``, made for `batch` rows; the public
/// entry checks the count of rows once, and every pointer below is offset by rows, inputs or
/// panels that lie within.
@safe final class TrainingStep {
    /// What moves the weights after the slopes are known.
    enum Move {
        /// Nothing: the slopes are kept.
        case none
        case adam(weights: leeway_step, biases: leeway_step)
        case descend(weights: leeway_step, biases: leeway_step)
    }

    /// Which outputs a step drops.
    struct Dropping {
        let share: Float
        var seed: UInt64
    }

    let layers: [TrainingLayer]
    let head: Head
    private let team: ComputeTeam
    /// Whether the caller does all the work of the next step; the result is the same.
    var isAlone = false
    let batch: Int
    private let desks: [Desk]
    private let losses: UnsafeMutableBufferPointer<Double>
    /// The sums of squares of the slopes, chunk by chunk; empty where they are not asked for.
    let squares: UnsafeMutableBufferPointer<Double>
    private var targets = BatchTargets()
    private let options: LossOptions

    init(
        _ network: MultilayerPerceptron,
        batch: Int,
        threads: Int,
        options: LossOptions = LossOptions(),
        dropout: Bool = false,
        moments: Int = 0,
        keepsSlopes: Bool = false
    ) {
        self.batch = batch
        self.options = options
        head = network.head
        let team = ComputeTeam(members: threads)
        let members = team.members
        let last = network.layers.count - 1
        layers = network.layers.enumerated().map { index, layer in
            TrainingLayer(
                layer,
                batch: batch,
                isHidden: index < last,
                dropout: dropout,
                moments: moments,
                keepsSlopes: keepsSlopes,
                members: members
            )
        }
        unsafe losses = .allocate(capacity: batch)
        let chunks = layers.reduce(0) { $0 + $1.chunkCount }
        unsafe squares = .allocate(capacity: keepsSlopes ? chunks : 0)
        let widest = network.layers.dropFirst().reduce(0) { max($0, $1.outputWidth) }
        desks = (0..<members).map { _ in
            Desk(inputs: network.inputWidth, widest: widest, batch: batch)
        }
        self.team = team
    }

    deinit {
        unsafe losses.deallocate()
        unsafe squares.deallocate()
    }

    /// The network as it is now; its parts were checked when training began.
    func network(like network: MultilayerPerceptron) -> MultilayerPerceptron {
        var copy = network
        copy.layers = layers.map(\.layer)
        return copy
    }

    /// How many threads there are.
    var threads: Int { team.members }

    /// Whether no weight is NaN or infinite.
    var isFinite: Bool {
        layers.allSatisfy { layer in
            layer.parameters.weights.isFinite && layer.parameters.bias.isFinite
        }
    }

    /// The slopes of the last step, where they are kept.
    var gradients: [DenseGradient] { layers.map(\.gradient) }

    /// Runs the rows with these indices, at most a batch, and moves the weights.
    ///
    /// `compact` is ``TrainingRows/compact`` of the rows, asked for once.
    func run(
        _ rows: some TrainingRows,
        _ compact: CompactRows?,
        _ targets: Targets,
        _ indices: Span<Int32>,
        _ move: Move,
        clipNorm: Float? = nil,
        dropping: Dropping? = nil
    ) -> BatchLoss {
        let count = indices.count
        precondition(count > 0 && count <= batch)
        self.targets.gather(targets, indices, width: layers[layers.count - 1].outputs)
        self.targets.precheck(head, rowCount: count, width: layers[layers.count - 1].outputs)
        unsafe indices.withUnsafeBufferPointer { indices in
            together { member in
                let mine = share(of: count, member: member)
                unsafe gather(rows, compact, indices, desks[member])
                forward(count, member, dropping)
                desks[member].correct = loss(mine, of: count)
                backward(count, member, dropping)
                meet()
                update(count, member, move, clipNorm)
            }
        }
        let sum = unsafe losses[..<count].reduce(0, +)
        let correct = desks[..<members].reduce(0) { $0 + $1.correct }
        return BatchLoss(sum: sum, correct: correct)
    }

    // MARK: - The four parts of a step, as one member does them

    private func gather(
        _ rows: some TrainingRows,
        _ compact: CompactRows?,
        _ indices: UnsafeBufferPointer<Int32>,
        _ desk: Desk
    ) {
        let width = layers[0].inputs
        let target = unsafe desk.rows.pointer
        guard let compact else {
            var span = unsafe MutableSpan(_unsafeStart: target, count: indices.count * width)
            unsafe rows.gather(Span(_unsafeElements: indices), into: &span)
            return
        }
        unsafe compact.bytes.withUnsafeBufferPointer { bytes in
            for position in indices.indices {
                let index = Int(unsafe indices[position])
                let row = compact.numbers.map { Int($0[index]) } ?? index
                let start = compact.offset + row * width
                let source = unsafe UnsafeBufferPointer(rebasing: bytes[start..<start + width])
                guard let source = source.baseAddress else { return }
                unsafe leeway_scale_bytes(
                    Kernels.level,
                    width,
                    compact.scaling.raw,
                    source,
                    target + position * width
                )
            }
        }
    }

    private func forward(_ count: Int, _ member: Int, _ dropping: Dropping?) {
        let mine = share(of: count, member: member)
        var wasShared = false
        for (index, layer) in layers.enumerated() {
            let isShared = sharesOutputs(of: layer)
            // What others made of the layer below is needed.
            if (isShared && index > 0) || wasShared { meet() }
            wasShared = isShared
            let columns =
                isShared
                ? share(of: layer, member) : 0..<layer.outputs
            let rows = isShared ? 0..<count : mine
            guard !rows.isEmpty, !columns.isEmpty else { continue }
            apply(index, rows, columns, desks[member])
            finish(index, rows, columns, dropping)
        }
        if wasShared { meet() }
    }

    /// The sums of a layer, or its outputs where those say as much.
    private func apply(
        _ index: Int,
        _ rows: Range<Int>,
        _ columns: Range<Int>,
        _ desk: Desk
    ) {
        let layer = layers[index]
        let (source, stride) = unsafe given(index, desk)
        let shape = leeway_layer(
            rows: rows.count,
            inputs: layer.inputs,
            outputs: layer.outputs,
            panel: layer.panelWidth,
            row_stride: stride,
            result_stride: layer.width,
            first: columns.lowerBound,
            last: columns.upperBound,
            function: layer.keepsSums ? leeway_identity : layer.activation.function
        )
        unsafe leeway_forward(
            Kernels.level,
            shape,
            source + rows.lowerBound * stride,
            layer.parameters.weights.pointer,
            layer.parameters.bias.pointer,
            layer.sums + rows.lowerBound * layer.width
        )
    }

    /// From the sums to what the next layer is given, where that is not done yet.
    private func finish(
        _ index: Int,
        _ rows: Range<Int>,
        _ columns: Range<Int>,
        _ dropping: Dropping?
    ) {
        let layer = layers[index]
        let offset = rows.lowerBound * layer.width + columns.lowerBound
        let extent = leeway_extent(rows: rows.count, columns: columns.count, stride: layer.width)
        func copy(_ source: UnsafeMutablePointer<Float>, _ target: UnsafeMutablePointer<Float>) {
            for row in 0..<rows.count {
                let start = offset + row * layer.width
                unsafe (target + start).update(from: source + start, count: columns.count)
            }
        }
        if layer.keepsSums {
            unsafe copy(layer.sums, layer.output)
            unsafe leeway_activate(
                Kernels.level,
                layer.activation.function,
                extent,
                layer.output + offset
            )
        }
        guard layer.drops, let dropping else { return }
        unsafe copy(layer.output, layer.passed)
        let mask = dropping.mask(layer: index, of: layer, rows, columns)
        unsafe leeway_drop(Kernels.level, mask, extent, layer.passed + offset)
    }

    /// The loss of some rows, and its slopes by their logits.
    ///
    /// - Returns: How many rows were right.
    private func loss(_ rows: Range<Int>, of count: Int) -> Int {
        let layer = layers[layers.count - 1]
        let first = rows.lowerBound * layer.width
        return unsafe Kernels.loss(
            head,
            rows,
            of: leeway_extent(rows: rows.count, columns: layer.outputs, stride: layer.width),
            logits: layer.output + first,
            targets: targets,
            options: options,
            scale: 1 / Float(count),
            losses: losses.baseAddress.map { unsafe $0 + rows.lowerBound },
            gradients: layer.deltas + first
        )
    }

    private func backward(_ count: Int, _ member: Int, _ dropping: Dropping?) {
        let mine = share(of: count, member: member)
        var wasShared = false
        for index in layers.indices.dropFirst().reversed() {
            let isShared = sharesInputs(of: layers[index])
            if isShared || wasShared { meet() }
            wasShared = isShared
            let all = layers[index].inputs
            propagate(
                index,
                isShared ? 0..<count : mine,
                isShared ? share(of: all, member: member, group: 48) : 0..<all,
                desks[member],
                dropping
            )
        }
    }

    /// From the deltas of a layer to those of the layer below, for some rows and inputs.
    private func propagate(
        _ index: Int,
        _ rows: Range<Int>,
        _ inputs: Range<Int>,
        _ desk: Desk,
        _ dropping: Dropping?
    ) {
        guard !rows.isEmpty, !inputs.isEmpty else { return }
        let layer = layers[index]
        let below = layers[index - 1]
        let columns = leeway_padded(rows.count)
        unsafe leeway_transpose(
            rows.count,
            layer.outputs,
            layer.deltas + rows.lowerBound * layer.width,
            layer.width,
            desk.deltas.pointer,
            columns
        )
        for first in stride(from: inputs.lowerBound, to: inputs.upperBound, by: Desk.inputs) {
            let part = first..<min(first + Desk.inputs, inputs.upperBound)
            let slice = leeway_slice(
                inputs: layer.inputs,
                outputs: layer.outputs,
                panel: layer.panelWidth,
                first: part.lowerBound,
                last: part.upperBound,
                columns: columns
            )
            let offset = rows.lowerBound * below.width + part.lowerBound
            unsafe leeway_input_gradient(
                Kernels.level,
                slice,
                layer.parameters.weights.pointer,
                desk.deltas.pointer,
                desk.slopes.pointer
            )
            unsafe leeway_transpose(
                part.count,
                rows.count,
                desk.slopes.pointer,
                columns,
                below.deltas + offset,
                below.width
            )
            passBack(index - 1, rows, part, dropping)
        }
    }

    /// From the slopes by a layer's outputs to those by its sums.
    private func passBack(
        _ index: Int,
        _ rows: Range<Int>,
        _ columns: Range<Int>,
        _ dropping: Dropping?
    ) {
        let layer = layers[index]
        let offset = rows.lowerBound * layer.width + columns.lowerBound
        let extent = leeway_extent(rows: rows.count, columns: columns.count, stride: layer.width)
        if layer.drops, let dropping {
            let mask = dropping.mask(layer: index, of: layer, rows, columns)
            unsafe leeway_drop(Kernels.level, mask, extent, layer.deltas + offset)
        }
        unsafe leeway_activate_backward(
            Kernels.level,
            layer.activation.function,
            extent,
            layer.sums + offset,
            layer.output + offset,
            layer.deltas + offset
        )
    }

    /// What goes into a layer, and how far its rows are apart.
    @unsafe func given(_ index: Int, _ desk: Desk) -> (UnsafeMutablePointer<Float>, stride: Int) {
        index == 0
            ? unsafe (desk.rows.pointer, layers[0].inputs)
            : unsafe (layers[index - 1].passed, layers[index - 1].width)
    }

    /// The memory of one member.
    func desk(_ member: Int) -> Desk { desks[member] }

    // MARK: - What is shared out how

    /// Has every member of the team do the work, or the caller alone.
    private func together(_ work: (_ member: Int) -> Void) {
        if isAlone { work(0) } else { team.run(work) }
    }

    /// No member goes on before all have come here.
    func meet() {
        if !isAlone { team.meet() }
    }

    /// The part of `count` things that is a member's.
    func share(of count: Int, member: Int, group: Int = 1) -> Range<Int> {
        ComputeTeam.share(of: count, member, of: members, group: group)
    }

    /// How many take part in the step.
    var members: Int { isAlone ? 1 : team.members }
}

import Synchronization

/// A block of 64-bit atomic cells, grouped in rows that begin on cache lines of their own.
///
/// The memory behind every metric handle: a row for each event loop (its single writer) and one
/// more for all other threads. It is allocated once and zeroed; nothing on the hot path allocates
/// or locks.
///
/// The address is kept as an integer so that `Sendable` follows from the stored properties: the
/// memory is reached by atomic operations alone, and it lives exactly as long as this owner.
@safe struct AtomicCells: ~Copyable, Sendable {
    /// Bytes of a cache line on x86-64 and on most of aarch64.
    static let lineBytes = 64
    private static let lineCells = lineBytes / MemoryLayout<UInt64>.stride

    /// Rows of the block, at least 1.
    let rows: Int
    /// Cells from one row's beginning to the next: the width, rounded up to whole lines.
    private let stride: Int
    /// Cells of a row that may be used.
    let width: Int
    private let address: UInt

    /// Allocates the rows, all zero.
    init(rows: Int, width: Int) {
        self.rows = max(rows, 1)
        self.width = max(width, 1)
        stride = (self.width + Self.lineCells - 1) / Self.lineCells * Self.lineCells
        let count = self.rows * stride
        let memory = UnsafeMutableRawPointer.allocate(
            byteCount: count * MemoryLayout<UInt64>.stride,
            alignment: Self.lineBytes
        )
        let cells = unsafe memory.bindMemory(to: Atomic<UInt64>.self, capacity: count)
        for index in 0..<count {
            // Bounds: `index` is less than the capacity just bound.
            unsafe (cells + index).initialize(to: Atomic(0))
        }
        address = UInt(bitPattern: memory)
    }

    deinit {
        // Atomic<UInt64> is trivial, so giving the memory back ends the cells, too.
        unsafe UnsafeMutableRawPointer(bitPattern: address)?.deallocate()
    }

    /// Where a row begins; what is out of range is the last row.
    @inline(__always)
    private func offset(_ row: Int, _ column: Int) -> Int {
        let safeRow = UInt(bitPattern: row) < UInt(bitPattern: rows) ? row : rows - 1
        let safeColumn = UInt(bitPattern: column) < UInt(bitPattern: width) ? column : width - 1
        return safeRow &* stride &+ safeColumn
    }

    /// Lends one cell.
    @inline(__always)
    private func withCell<Result>(
        _ row: Int,
        _ column: Int,
        _ body: (borrowing Atomic<UInt64>) -> Result,
        otherwise: Result
    ) -> Result {
        guard let cells = unsafe UnsafePointer<Atomic<UInt64>>(bitPattern: address) else {
            return otherwise
        }
        // Bounds: `offset` clamps to the rows × stride cells that `init` allocated.
        return unsafe body(cells[offset(row, column)])
    }

    /// The cell's value now.
    @inline(__always)
    func load(_ row: Int, _ column: Int) -> UInt64 {
        withCell(row, column, { $0.load(ordering: .relaxed) }, otherwise: 0)
    }

    /// The cell's value; what its writer wrote before is visible.
    @inline(__always)
    func loadAcquiring(_ row: Int, _ column: Int) -> UInt64 {
        withCell(row, column, { $0.load(ordering: .acquiring) }, otherwise: 0)
    }

    /// Replaces the cell's value.
    @inline(__always)
    func store(_ value: UInt64, _ row: Int, _ column: Int) {
        withCell(row, column, { $0.store(value, ordering: .relaxed) }, otherwise: ())
    }

    /// Replaces the cell's value; what was written before becomes visible with it.
    @inline(__always)
    func storeReleasing(_ value: UInt64, _ row: Int, _ column: Int) {
        withCell(row, column, { $0.store(value, ordering: .releasing) }, otherwise: ())
    }

    /// Adds to a cell that only the calling thread writes: a load and a store, no bus lock.
    @inline(__always)
    func addAlone(_ amount: UInt64, _ row: Int, _ column: Int) {
        withCell(
            row,
            column,
            { $0.store($0.load(ordering: .relaxed) &+ amount, ordering: .relaxed) },
            otherwise: ()
        )
    }

    /// Adds to a cell that any thread may write.
    @inline(__always)
    func addShared(_ amount: UInt64, _ row: Int, _ column: Int) {
        withCell(
            row,
            column,
            { _ = $0.wrappingAdd(amount, ordering: .relaxed) },
            otherwise: ()
        )
    }

    /// Replaces the cell's value by a function of it, again until no other thread interferes.
    func update(_ row: Int, _ column: Int, _ change: (UInt64) -> UInt64) {
        withCell(
            row,
            column,
            { cell in
                var old = cell.load(ordering: .relaxed)
                while true {
                    let (done, now) = cell.weakCompareExchange(
                        expected: old,
                        desired: change(old),
                        ordering: .relaxed
                    )
                    if done { return }
                    old = now
                }
            },
            otherwise: ()
        )
    }

    /// Replaces the cell's value if it is still the expected one.
    func exchange(_ expected: UInt64, _ desired: UInt64, _ row: Int, _ column: Int) -> Bool {
        withCell(
            row,
            column,
            {
                $0.compareExchange(
                    expected: expected,
                    desired: desired,
                    ordering: .acquiringAndReleasing
                ).exchanged
            },
            otherwise: false
        )
    }
}

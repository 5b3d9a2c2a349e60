import Glibc
import Synchronization

/// A queue of byte records between many threads that log and one that writes.
///
/// Nobody waits: a thread reserves its place by one compare-and-swap, copies, and marks the record
/// as complete; when there is no room the record is refused. The reader takes records in order and
/// stops at one that is reserved but not complete. (The shape is that of Aeron's many-to-one ring
/// buffer.)
///
/// A record is a header of 8 bytes and then its bytes, rounded up to 8. The header is 0 until the
/// record is complete, then `length << 2 | kind`. The reader zeroes what it has taken, so that a
/// header always begins as 0.
///
/// The address is kept as an integer so that `Sendable` follows from the stored properties. Memory
/// is handed over by the atomics: a record's bytes by its header (release, acquire), free space by
/// `tail` (release, acquire).
@safe struct LogRing: ~Copyable, Sendable {
    private enum Kind {
        static let record: UInt64 = 1
        static let padding: UInt64 = 3
    }

    private static let headerBytes = 8
    /// Bytes of the ring, a power of two.
    let capacity: Int
    private let address: UInt
    /// Bytes ever reserved (row 0, the head) and ever taken (row 1, the tail).
    private let positions = AtomicCells(rows: 2, width: 1)

    /// Allocates the ring, zeroed.
    ///
    /// - Parameter capacityBytes: Rounded up to a power of two, from 4 KiB to 1 GiB.
    init(capacityBytes: Int) {
        var capacity = 4096
        while capacity < capacityBytes, capacity < 1 << 30 { capacity <<= 1 }
        self.capacity = capacity
        let memory = UnsafeMutableRawPointer.allocate(
            byteCount: capacity,
            alignment: AtomicCells.lineBytes
        )
        unsafe memory.initializeMemory(as: UInt8.self, repeating: 0, count: capacity)
        address = UInt(bitPattern: memory)
    }

    deinit {
        unsafe UnsafeMutableRawPointer(bitPattern: address)?.deallocate()
    }

    /// The longest record; a quarter, so that one record cannot crowd out all others.
    var recordBytesMax: Int { capacity / 4 - Self.headerBytes }

    /// Bytes in use now.
    var usedBytes: Int { Int(truncatingIfNeeded: positions.load(0, 0) &- positions.load(1, 0)) }

    /// Copies a record into the ring from any thread.
    ///
    /// - Returns: Whether there was room.
    func push(_ bytes: Span<UInt8>) -> Bool {
        guard bytes.count <= recordBytesMax else { return false }
        let total = Self.headerBytes + (bytes.count + 7) & ~7
        guard let offset = reserve(total) else { return false }
        if let memory = unsafe UnsafeMutableRawPointer(bitPattern: address) {
            // Bounds: `reserve` gave this thread `total` contiguous bytes at `offset`.
            unsafe bytes.withUnsafeBufferPointer { source in
                guard let base = source.baseAddress else { return }
                unsafe (memory + offset + Self.headerBytes).copyMemory(
                    from: base,
                    byteCount: source.count
                )
            }
        }
        complete(offset, length: bytes.count, Kind.record)
        return true
    }

    /// Appends complete records to `output` until `bytesMax` is passed; for the one reader.
    ///
    /// - Returns: How many records were taken.
    func take(into output: inout [UInt8], bytesMax: Int) -> Int {
        var taken = 0
        var tail = positions.load(1, 0)
        while output.count < bytesMax {
            let offset = Int(truncatingIfNeeded: tail) & (capacity - 1)
            let header = loadHeader(offset)
            guard header != 0 else { break }
            let length = Int(truncatingIfNeeded: header >> 2)
            let isRecord = header & 3 == Kind.record
            copyAndClear(offset, length, isRecord, into: &output)
            taken += isRecord ? 1 : 0
            tail &+= UInt64(Self.headerBytes + (length + 7) & ~7)
            positions.storeReleasing(tail, 1, 0)
        }
        return taken
    }

    private func copyAndClear(
        _ offset: Int,
        _ length: Int,
        _ isRecord: Bool,
        into output: inout [UInt8]
    ) {
        guard let memory = unsafe UnsafeMutableRawPointer(bitPattern: address) else { return }
        // Bounds: the record was reserved as one contiguous part of the ring, and its header,
        // which only `push` and `reserve` write, gives its length.
        let begin = unsafe memory + offset
        if isRecord {
            let bytes = unsafe UnsafeRawBufferPointer(
                start: begin + Self.headerBytes,
                count: length
            )
            unsafe output.append(contentsOf: bytes)
        }
        unsafe memset(begin, 0, Self.headerBytes + (length + 7) & ~7)
    }

    /// Reserves contiguous bytes; the rest of the ring's end is padded when it is too short.
    private func reserve(_ total: Int) -> Int? {
        while true {
            let head = positions.load(0, 0)
            let tail = positions.loadAcquiring(1, 0)
            let offset = Int(truncatingIfNeeded: head) & (capacity - 1)
            let toEnd = capacity - offset
            let padding = total > toEnd ? toEnd : 0
            let used = Int(truncatingIfNeeded: head &- tail)
            guard used + padding + total <= capacity else { return nil }
            let next = head &+ UInt64(padding + total)
            guard positions.exchange(head, next, 0, 0) else { continue }
            guard padding > 0 else { return offset }
            complete(offset, length: padding - Self.headerBytes, Kind.padding)
            return 0
        }
    }

    /// The header at an offset, 0 while its record is not complete.
    private func loadHeader(_ offset: Int) -> UInt64 {
        guard let memory = unsafe UnsafeMutableRawPointer(bitPattern: address) else { return 0 }
        // Bounds: `offset` is a multiple of 8 below the capacity, which is one, too.
        let header = unsafe (memory + offset).assumingMemoryBound(to: Atomic<UInt64>.self)
        return unsafe header.pointee.load(ordering: .acquiring)
    }

    /// Marks a record as complete, and hands its bytes to the reader.
    private func complete(_ offset: Int, length: Int, _ kind: UInt64) {
        guard let memory = unsafe UnsafeMutableRawPointer(bitPattern: address) else { return }
        // Bounds: as in `loadHeader`; the record was reserved by this thread.
        let header = unsafe (memory + offset).assumingMemoryBound(to: Atomic<UInt64>.self)
        unsafe header.pointee.store(UInt64(length) << 2 | kind, ordering: .releasing)
    }
}

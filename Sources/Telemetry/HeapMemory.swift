internal import CGlibc

/// What the program's heap holds.
package enum HeapMemory {
    /// Bytes that are allocated and not freed; 0 where the C library does not tell.
    package static var bytesInUse: Int { Int(clamping: leeway_heap_bytes_in_use()) }
}

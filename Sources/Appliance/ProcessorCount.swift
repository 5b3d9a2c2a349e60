internal import NIOCore

/// How many processors there are for this process.
package enum ProcessorCount {
    /// Those that its affinity and its control group leave it, at least 1.
    package static var usable: Int { max(1, System.coreCount) }
}

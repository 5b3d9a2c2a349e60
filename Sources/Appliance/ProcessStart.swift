internal import TLSTransport

/// What comes before everything else in the life of a process.
package enum ProcessStart {
    /// Sets OpenSSL up before libcurl does, for every command.
    ///
    /// Else OpenSSL cleans up at exit while the last thread of a transfer may still end, and the
    /// command crashes after its work is done.
    package static func prepareLibraries() { TLSLibrary.initialise() }
}

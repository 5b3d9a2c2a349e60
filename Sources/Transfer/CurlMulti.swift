internal import CCurl

/// Owner of one libcurl multi handle: runs one transfer at a time and can be woken.
///
/// All but ``wake()`` is for the one thread that runs transfers. The handle is kept as an address,
/// which is plainly `Sendable`; it lives exactly as long as this object.
@safe
final class CurlMulti: Sendable {
    private let address: UInt

    init() throws(TransferError) {
        try TransferLibrary.initialise()
        guard let handle = unsafe curl_multi_init() else {
            throw .library(operation: "make a transfer set", reason: "out of memory")
        }
        address = UInt(bitPattern: handle)
    }

    deinit {
        unsafe curl_multi_cleanup(handle)
    }

    private var handle: UnsafeMutableRawPointer? {
        unsafe UnsafeMutableRawPointer(bitPattern: address)
    }

    /// Ends a wait, now or the next one.
    ///
    /// For any thread: it is the one call that libcurl allows them.
    func wake() {
        unsafe curl_multi_wakeup(handle)
    }

    /// Waits for the network, for ``wake()``, or for this long.
    func wait(millisecondsMax: Int32) {
        unsafe curl_multi_poll(handle, nil, 0, millisecondsMax, nil)
    }

    /// Runs a transfer to its end.
    ///
    /// - Parameters:
    ///   - easy: The transfer, with its options set.
    ///   - isCancelled: Asked after each piece of work and each ``wake()``.
    /// - Returns: libcurl's result, or nil when the transfer was cancelled.
    func run(_ easy: borrowing CurlEasy, isCancelled: () -> Bool) -> CURLcode? {
        guard unsafe curl_multi_add_handle(handle, easy.handle) == CURLM_OK else {
            return CURLE_FAILED_INIT
        }
        defer { unsafe curl_multi_remove_handle(handle, easy.handle) }
        var running: Int32 = 1
        while true {
            if isCancelled() { return nil }
            guard unsafe curl_multi_perform(handle, &running) == CURLM_OK else {
                return CURLE_FAILED_INIT
            }
            if running == 0 { return result() }
            // libcurl wakes by itself for its own timers; the bound is only a safety net.
            wait(millisecondsMax: 60_000)
        }
    }

    /// The result of the only transfer there is.
    private func result() -> CURLcode {
        var left: Int32 = 0
        while let message = unsafe curl_multi_info_read(handle, &left) {
            if unsafe message.pointee.msg == CURLMSG_DONE {
                return unsafe message.pointee.data.result
            }
        }
        return CURLE_FAILED_INIT
    }
}

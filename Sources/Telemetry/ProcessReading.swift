/// What the kernel tells about this process; nil where it does not.
package struct ProcessReading: Sendable, Equatable {
    /// Processor time in user and kernel mode, in clock ticks.
    package var processorTicks: UInt64?
    /// When the process started, in clock ticks after the machine did.
    package var startTicks: UInt64?
    /// Threads.
    package var threads: UInt64?
    /// Virtual memory in bytes.
    package var virtualBytes: UInt64?
    /// Resident memory in pages.
    package var residentPages: UInt64?
    /// Private writable memory (`VmData`) in bytes, which other exporters call the heap.
    package var heapBytes: UInt64?
    /// The soft limit of virtual memory in bytes; all ones when unlimited.
    package var virtualBytesMax: UInt64?
    /// The soft limit of open descriptors; all ones when unlimited.
    package var descriptorsMax: UInt64?

    /// Reads the texts of `/proc/self/{stat,status,limits}`.
    ///
    /// What is missing or malformed stays nil; nothing here can trap.
    package init(stat: Span<UInt8>, status: Span<UInt8>, limits: Span<UInt8>) {
        let statText = Self.text(stat)
        // The second field is the program's name in parentheses and may hold any character.
        if let end = statText.lastIndex(of: UInt8(ascii: ")")) {
            let fields = statText[(end + 1)...].split(separator: UInt8(ascii: " "))
            func field(_ number: Int) -> UInt64? {
                // proc(5) counts from 1, and the first field here is its third.
                fields.indices.contains(number - 3) ? Self.number(fields[number - 3]) : nil
            }
            if let user = field(14), let system = field(15) { processorTicks = user &+ system }
            threads = field(20)
            startTicks = field(22)
            virtualBytes = field(23)
            residentPages = field(24)
        }
        for line in Self.text(status).split(separator: UInt8(ascii: "\n")) {
            let words = line.split { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }
            guard words.count >= 2, words[0].elementsEqual("VmData:".utf8) else { continue }
            heapBytes = Self.number(words[1]).flatMap(Self.kibibytes)
        }
        for line in Self.text(limits).split(separator: UInt8(ascii: "\n")) {
            let words = line.split(separator: UInt8(ascii: " "))
            guard words.count >= 4 else { continue }
            let name = words[..<3].joined(separator: [UInt8(ascii: " ")])
            if name.elementsEqual("Max open files".utf8) { descriptorsMax = Self.limit(words[3]) }
            if name.elementsEqual("Max address space".utf8) {
                virtualBytesMax = Self.limit(words[3])
            }
        }
    }

    /// The machine's start in seconds since the epoch, from the text of `/proc/stat`.
    package static func bootSeconds(_ stat: Span<UInt8>) -> UInt64? {
        for line in text(stat).split(separator: UInt8(ascii: "\n")) {
            let words = line.split(separator: UInt8(ascii: " "))
            if words.count == 2, words[0].elementsEqual("btime".utf8) { return number(words[1]) }
        }
        return nil
    }

    private static func text(_ bytes: Span<UInt8>) -> [UInt8] {
        var text: [UInt8] = []
        text.append(bytes)
        return text
    }

    private static func number(_ digits: ArraySlice<UInt8>) -> UInt64? {
        UInt64(String(decoding: digits, as: UTF8.self))
    }

    private static func limit(_ digits: ArraySlice<UInt8>) -> UInt64? {
        digits.elementsEqual("unlimited".utf8) ? .max : number(digits)
    }

    private static func kibibytes(_ count: UInt64) -> UInt64? {
        let bytes = count.multipliedReportingOverflow(by: 1024)
        return bytes.overflow ? nil : bytes.partialValue
    }
}

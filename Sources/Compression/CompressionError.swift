/// Why compressed bytes were refused, or could not be made.
package enum CompressionError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The bytes are not of the format, or a checksum or a length in them is wrong.
    ///
    /// `offset` counts the compressed bytes taken before the fault was found.
    case corrupt(format: CompressionFormat, offset: Int, reason: String)
    /// The bytes end before the format's end mark.
    case truncated(format: CompressionFormat, offset: Int)
    /// Bytes follow the end mark that are no further member.
    case trailingBytes(format: CompressionFormat, offset: Int)
    /// The content is larger than the caller is ready to take.
    case outputTooLarge(bytesMax: Int)
    /// The library could not get its memory.
    case outOfMemory

    /// A stable word for labels and JSON.
    package var code: String {
        switch self {
        case .corrupt: "compressed_data_corrupt"
        case .truncated: "compressed_data_truncated"
        case .trailingBytes: "compressed_data_trailing_bytes"
        case .outputTooLarge: "decompressed_data_too_large"
        case .outOfMemory: "compression_out_of_memory"
        }
    }

    /// What failed, why, and what to do.
    package var description: String {
        switch self {
        case .corrupt(let format, let offset, let reason):
            "decompress \(format): \(reason) at compressed byte \(offset): get the data again"
        case .truncated(let format, let offset):
            "decompress \(format): the data ends after \(offset) compressed bytes, "
                + "before its end mark: get the data again"
        case .trailingBytes(let format, let offset):
            "decompress \(format): bytes that are not \(format) follow the end "
                + "at compressed byte \(offset): cut them off, or get the data again"
        case .outputTooLarge(let bytesMax):
            "decompress: the content is larger than the limit of \(bytesMax) bytes: "
                + "send less, or raise the limit"
        case .outOfMemory:
            "compress or decompress: zlib could not get its memory"
        }
    }
}

/// A container of deflated bytes.
package enum CompressionFormat: String, Sendable, CustomStringConvertible, CaseIterable {
    /// RFC 1952: the `.gz` file and `Content-Encoding: gzip`; one member or several.
    case gzip
    /// RFC 1950: what HTTP calls `Content-Encoding: deflate`.
    case zlib

    /// The format's name in messages.
    package var description: String { rawValue }

    /// What zlib's `windowBits` wants: the largest window (2^15), +16 for the gzip container.
    var windowBits: Int32 {
        switch self {
        case .gzip: 15 + 16
        case .zlib: 15
        }
    }
}

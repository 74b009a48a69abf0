// What apps and publishers write for GRIP: instructions in lines and in JSON, items, and operations on documents.

import GRIP
import HTTP1
import HTTPCore
import JSONText

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzItems(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
    guard let input = Input(UnsafeBufferPointer(start: data, count: size)) else { return 0 }
    let bytes = Array(input.received)
    if let value = JSONValue(bytes) {
        check(JSONValue(value.serialized) == value, "another value: \(value)")
    }
    if let item = try? Item(json: bytes) {
        let written = item.json
        check((try? Item(json: written)) == item, "another item: \(item)")
        check((try? Item(json: written))?.json == written, "another text: \(String(decoding: written, as: UTF8.self))")
        check(item.channel.allSatisfy { $0 >= 0x20 && $0 != 0x7f }, "a channel with a control character")
        if let response = item.response {
            for field in response.fields { check(!field.value.contains(0x0a), "a field that ends its line") }
            // Whatever the operations say of the first half, they end.
            _ = try? response.body(over: Array(bytes.prefix(bytes.count / 2)))
        }
    }
    _ = try? Item.list(bytes)
    if var instruction = try? Instruction(lines: bytes) {
        check(instruction.channels.count <= 100 && instruction.timeout >= 5, "beyond the limits")
        for line in instruction.visible(bytes).split(separator: 0x0a) {
            check(!String(decoding: line.prefix(5), as: UTF8.self).lowercased().hasPrefix("grip-"), "a field of GRIP")
        }
        let context = FilterContext(
            subscription: instruction.meta,
            channels: instruction.channels.map { (name: $0.name, previousID: $0.previousID) })
        for channel in instruction.channels { _ = try? channel.filters.verdict(on: bytes, context) }
        _ = try? instruction.read(json: bytes)
    }
    var instruction = Instruction()
    if (try? instruction.read(json: bytes)) != nil {
        check(instruction.response != nil && instruction.timeout >= 5, "an instruction without an answer")
    }
    return 0
}

import EvSupervisor
import Testing

@Suite struct MasterHistoryTests {
    private func event(_ number: Int, _ cause: EndCause? = nil) -> MasterEvent {
        MasterEvent(time: Double(number), level: "info", worker: nil, text: "", cause: cause)
    }

    @Test func keepsTheLastOfEach() {
        var history = MasterHistory()
        history.append(event(0, .hang))
        for number in 1...100 { history.append(event(number)) }
        #expect(history.events.map(\.time) == (37...100).map(Double.init))
        #expect(history.restarts == [event(0, .hang)])
        for number in 101...170 { history.append(event(number, .exit)) }
        #expect(history.restarts.map(\.time) == (107...170).map(Double.init))
        #expect(history.events == history.restarts)
    }
}

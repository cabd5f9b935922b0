// In the build that tests roll to (`make variant`), and in no other: a PUBLISH that ends the listener that reads it.

#if APUS_LAYOUT_VARIANT
    import Messages

    extension Listener {
        func trap(_ topic: RawSpan) {
            if topic.array == Array("apus/trap/listener".utf8) { fatalError("a message to apus/trap/listener") }
        }
    }
#endif

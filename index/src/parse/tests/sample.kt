package acme.orders

import acme.storage.Disk
import acme.entries.*

const val LIMIT = 3
val String.shout: String get() = uppercase()

/** Keeps the orders of a customer. */
@Serializable
data class Ledger(val name: String, private var size: Int = 0, extra: Tag) : Book(name), Shape {
    companion object {
        const val ZERO = 0
        fun make(): Ledger = Ledger("a", 2, Tag.NONE)
    }

    private val entries = listOf<Entry>()
    lateinit var disk: Disk

    constructor(name: String) : this(name, 0, Tag.NONE)

    override fun area(): Double {
        val local = 1
        return entries.sumOf { it.weigh() }
    }

    inner class Cursor
}

interface Shape { fun area(): Double }
fun interface Check { fun run(entry: Entry): Boolean }
enum class Color(val rgb: Int) {
    RED(1), GREEN(2);

    fun mix(other: Color) = other
}

object Registry {
    val all = mutableMapOf<String, Ledger>()
}

typealias Id = String

fun <T : Entry> List<T>.total(weigh: (T) -> Int): Int where T : Any = map(weigh).sum()

class LedgerTest {
    @Test
    fun `adds entries`() {
        assertEquals(1, Ledger.make().size)
    }
}

package io.autocircuit.tensor;

import io.autocircuit.files.DataException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Reads the pickle of a torch archive. It is a program for a stack machine, which can call any
 * function of Python; this machine knows only the instructions that build plain values, and the
 * names in {@link TorchObjects}. Everything else is refused by name, and nothing is ever called.
 * Format: Python's {@code pickletools}, protocols 2 to 5.
 */
final class TorchPickle {
  private static final int DEEPEST = 100;
  private static final int SHARED = 20_000;

  /** Of the machine, of up to 150 bytes each; some 35 describe a tensor. */
  private static final int MOST_OBJECTS = 3_000_000;

  /** Instructions of Python's pickles that are refused. */
  private static final Map<Integer, String> REFUSED =
      Map.ofEntries(
          Map.entry((int) 'i', "INST"),
          Map.entry((int) 'o', "OBJ"),
          Map.entry(0x81, "NEWOBJ"),
          Map.entry(0x92, "NEWOBJ_EX"),
          Map.entry(0x82, "EXT1"),
          Map.entry(0x83, "EXT2"),
          Map.entry(0x84, "EXT4"),
          Map.entry((int) 'P', "PERSID"),
          Map.entry((int) 'B', "BINBYTES"),
          Map.entry((int) 'C', "SHORT_BINBYTES"),
          Map.entry(0x8e, "BINBYTES8"),
          Map.entry(0x96, "BYTEARRAY8"),
          Map.entry(0x97, "NEXT_BUFFER"),
          Map.entry((int) 'T', "BINSTRING"),
          Map.entry((int) 'U', "SHORT_BINSTRING"),
          Map.entry(0x8f, "EMPTY_SET"),
          Map.entry(0x90, "ADDITEMS"),
          Map.entry(0x91, "FROZENSET"));

  private final Path file;
  private final ByteBuffer in;
  private final TorchObjects objects;
  private final List<Object> stack = new ArrayList<>();
  private final List<Integer> marks = new ArrayList<>();
  private final Map<Integer, Object> memo = new HashMap<>();
  private long visits;
  private int made;

  private TorchPickle(Path file, byte[] pickle, TorchObjects objects) {
    this.file = file;
    this.in = ByteBuffer.wrap(pickle).order(ByteOrder.LITTLE_ENDIAN);
    this.objects = objects;
  }

  /**
   * Reads a pickle.
   *
   * @param file for messages
   * @param pickle all of it
   * @param objects builds tensors
   * @return maps, lists, texts, Long, Double, Boolean, null and {@link TorchTensor}s
   * @throws DataException if it asks for anything else, or is damaged
   */
  static Object read(Path file, byte[] pickle, TorchObjects objects) {
    TorchPickle machine = new TorchPickle(file, pickle, objects);
    Object value = machine.run();
    machine.requirePlain(value, 0);
    return value;
  }

  private Object run() {
    while (true) {
      int at = in.position();
      int code = need(1).get() & 0xFF;
      switch (code) {
        case '.' -> {
          if (stack.size() != 1 || !marks.isEmpty()) {
            throw wrong("data.pkl ends with " + stack.size() + " values and not one");
          }
          return stack.get(0);
        }
        case 0x80 -> {
          int protocol = need(1).get() & 0xFF;
          if (protocol < 2 || protocol > 5) {
            throw wrong("data.pkl has protocol=" + protocol + ", not 2 to 5");
          }
        }
        case 0x95 -> length(need(8).getLong());
        case '(' -> {
          count();
          marks.add(stack.size());
        }
        case 'q' -> put(need(1).get() & 0xFF);
        case 'r' -> put(need(4).getInt());
        case 0x94 -> put(memo.size());
        case 'h' -> get(need(1).get() & 0xFF);
        case 'j' -> get(need(4).getInt());
        default -> {
          if (!scalar(code) && !container(code) && !object(code)) {
            throw unknown(code, at);
          }
        }
      }
    }
  }

  private DataException unknown(int code, int at) {
    String name = REFUSED.get(code);
    return name == null
        ? wrong(
            String.format("data.pkl has no instruction of a pickle at byte=%d (0x%02x)", at, code))
        : refused("it has the instruction " + name);
  }

  private boolean scalar(int code) {
    switch (code) {
      case 'N' -> push(null);
      case 0x88 -> push(true);
      case 0x89 -> push(false);
      case 'J' -> push((long) need(4).getInt());
      case 'K' -> push((long) (need(1).get() & 0xFF));
      case 'M' -> push((long) (need(2).getShort() & 0xFFFF));
      case 0x8a -> push(integer(need(1).get() & 0xFF));
      case 0x8b -> push(integer(length(need(4).getInt())));
      case 'G' -> push(Double.longBitsToDouble(Long.reverseBytes(need(8).getLong())));
      case 'X' -> push(text(length(need(4).getInt() & 0xFFFFFFFFL)));
      case 0x8c -> push(text(length(need(1).get() & 0xFF)));
      case 0x8d -> push(text(length(need(8).getLong())));
      default -> {
        return false;
      }
    }
    return true;
  }

  private boolean container(int code) {
    switch (code) {
      case ']' -> push(new ArrayList<>(0));
      case '}' -> push(new LinkedHashMap<>(4));
      case ')' -> push(new Tuple());
      case 't' -> push(new Tuple(marked()));
      case 0x85 -> tuple(1);
      case 0x86 -> tuple(2);
      case 0x87 -> tuple(3);
      case 'a' -> {
        Object item = pop();
        list().add(item);
      }
      case 'e' -> {
        Object[] items = marked();
        list().addAll(Arrays.asList(items));
      }
      case 's' -> {
        Object item = pop();
        Object key = pop();
        set(dictionary(), key, item);
      }
      case 'u' -> {
        Object[] items = marked();
        if (items.length % 2 != 0) {
          throw wrong("data.pkl has a dictionary's key without a value");
        }
        Map<Object, Object> target = dictionary();
        for (int i = 0; i < items.length; i += 2) {
          set(target, items[i], items[i + 1]);
        }
      }
      default -> {
        return false;
      }
    }
    return true;
  }

  private boolean object(int code) {
    switch (code) {
      case 'c' -> push(objects.named(line(), line()));
      case 0x93 -> {
        Object name = pop();
        Object module = pop();
        if (!(name instanceof String called) || !(module instanceof String place)) {
          throw wrong("data.pkl names a class by what is no text");
        }
        push(objects.named(place, called));
      }
      case 'R' -> {
        Object arguments = pop();
        Object called = pop();
        if (!(arguments instanceof Tuple tuple)) {
          throw wrong("data.pkl calls something without a tuple of arguments");
        }
        push(objects.made(called, tuple));
      }
      case 'b' -> {
        // attributes of a dictionary: torch's state dictionaries keep versions of modules there
        Object state = pop();
        if (!(state instanceof Map) || !(top() instanceof Map)) {
          throw refused("it sets the attributes of an object (instruction BUILD)");
        }
      }
      case 'Q' -> push(objects.storage(pop()));
      default -> {
        return false;
      }
    }
    return true;
  }

  // ---- the stack ----

  private void push(Object value) {
    count();
    stack.add(value);
  }

  /** Refuses what would take many times the memory of its bytes. */
  private void count() {
    if (++made > MOST_OBJECTS) {
      throw refused("data.pkl makes more than " + MOST_OBJECTS + " objects");
    }
  }

  private Object top() {
    int bottom = marks.isEmpty() ? 0 : marks.get(marks.size() - 1);
    if (stack.size() <= bottom) {
      throw wrong("data.pkl takes more from its stack than there is");
    }
    return stack.get(stack.size() - 1);
  }

  private Object pop() {
    Object top = top();
    stack.remove(stack.size() - 1);
    return top;
  }

  private Object[] marked() {
    if (marks.isEmpty()) {
      throw wrong("data.pkl takes more from its stack than there is");
    }
    List<Object> tail = stack.subList(marks.remove(marks.size() - 1), stack.size());
    Object[] items = tail.toArray();
    tail.clear();
    return items;
  }

  private void tuple(int length) {
    Object[] items = new Object[length];
    for (int i = length - 1; i >= 0; i--) {
      items[i] = pop();
    }
    push(new Tuple(items));
  }

  @SuppressWarnings("unchecked") // every list on the stack was made here
  private List<Object> list() {
    if (top() instanceof ArrayList<?> list) {
      return (List<Object>) list;
    }
    throw refused("it appends to what is no list");
  }

  @SuppressWarnings("unchecked") // every map on the stack was made here
  private Map<Object, Object> dictionary() {
    if (top() instanceof Map<?, ?> map) {
      return (Map<Object, Object>) map;
    }
    throw refused("it sets an item of what is no dictionary");
  }

  private void set(Map<Object, Object> target, Object key, Object item) {
    if (!(key instanceof String || key instanceof Long || key instanceof Boolean)) {
      throw refused("a key of a dictionary is neither text nor an integer");
    }
    if (target.containsKey(key)) {
      throw wrong("key=" + DataException.quote(key.toString()) + " is twice in a dictionary");
    }
    target.put(key, item);
  }

  private void put(int index) {
    count();
    memo.put(index, top());
  }

  private void get(int index) {
    if (!memo.containsKey(index)) {
      throw wrong("data.pkl refers to value " + index + ", which it has not put down");
    }
    push(memo.get(index));
  }

  // ---- bytes ----

  private ByteBuffer need(int bytes) {
    if (in.remaining() < bytes) {
      throw wrong("data.pkl ends too early");
    }
    return in;
  }

  private int length(long bytes) {
    if (bytes < 0 || bytes > in.remaining()) {
      throw wrong("data.pkl ends too early");
    }
    return (int) bytes;
  }

  private byte[] take(int length) {
    byte[] bytes = new byte[length];
    need(length).get(bytes);
    return bytes;
  }

  private String text(int length) {
    ByteBuffer bytes = need(length).slice().limit(length);
    in.position(in.position() + length);
    try {
      return StandardCharsets.UTF_8.newDecoder().decode(bytes).toString();
    } catch (CharacterCodingException e) {
      throw wrong("data.pkl holds a text that is not UTF-8");
    }
  }

  private String line() {
    int length = 0;
    while (length < in.remaining() && in.get(in.position() + length) != '\n') {
      length++;
    }
    String line = text(length);
    need(1).get();
    return line;
  }

  private long integer(int length) {
    byte[] bytes = take(length);
    if (length > 8) {
      throw wrong("data.pkl holds an integer of bytes=" + length + ", more than 8");
    }
    long value = length > 0 && bytes[length - 1] < 0 ? -1 : 0;
    for (int i = length - 1; i >= 0; i--) {
      value = value << 8 | bytes[i] & 0xFF;
    }
    return value;
  }

  // ---- what was built ----

  /**
   * Refuses what is left of the machine, cycles, and lists of lists that grow when they are read.
   */
  private void requirePlain(Object value, int depth) {
    if (depth > DEEPEST) {
      throw wrong("its values are nested deeper than " + DEEPEST + " (or in themselves)");
    }
    if (++visits > SHARED + 8L * in.limit()) {
      throw wrong("its lists and dictionaries share parts so often that they never end");
    }
    if (value instanceof Map<?, ?> map) {
      map.values().forEach(v -> requirePlain(v, depth + 1));
    } else if (value instanceof List<?> list) {
      list.forEach(v -> requirePlain(v, depth + 1));
    } else {
      objects.requirePlain(value);
    }
  }

  /** A tuple: a list that does not change. */
  static final class Tuple extends java.util.AbstractList<Object>
      implements java.util.RandomAccess {
    private final Object[] items;

    Tuple(Object... items) {
      this.items = items;
    }

    @Override
    public Object get(int index) {
      return items[index];
    }

    @Override
    public int size() {
      return items.length;
    }
  }

  private DataException refused(String what) {
    return TorchArchive.refused(file, what);
  }

  private DataException wrong(String what) {
    return TorchArchive.wrong(file, what);
  }
}

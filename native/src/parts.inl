// How threads share the work of a call: it is cut into parts, and who is free takes the next one. A
// thread that the system takes off its processor then holds up one part and not a whole share. Which
// thread computes a part never changes a bit of it.

constexpr int64_t kPartsPerThread = 4;  // where the parts can be as large as one likes

struct Parts {
  int64_t count;
  int64_t taken;

  // The number of the next part; false if there is none.
  bool take(int64_t* part) {
    *part = __atomic_fetch_add(&taken, 1, __ATOMIC_RELAXED);
    return *part < count;
  }
};

// Calls body(member, parts) on this thread and on up to threads - 1 others; each takes parts until
// there are none. 0 <= member < threads: the number of its scratch memory.
template <class Body>
void share(int threads, int64_t count, const Body& body) {
  struct Work {
    Parts parts;
    const Body* body;
  };
  Work work = {{count, 0}, &body};
  run_together(
      static_cast<int>(smaller(threads, count)),
      [](void* shared, int member) {
        Work* all = static_cast<Work*>(shared);
        (*all->body)(member, all->parts);
      },
      &work);
}

// As `share` where parts need no scratch memory: calls body(part).
template <class Body>
void share_parts(int threads, int64_t count, const Body& body) {
  share(threads, count, [&](int, Parts& parts) {
    for (int64_t part; parts.take(&part);) body(part);
  });
}

// Runs a call with the type of its elements.
#pragma once
#include "calls.h"

namespace autocircuit {

// function(call), the call's pointers being those of its elements. The call stays where it is, with
// the lists behind it. Every call begins with its type.
template <template <class> class Call, class Function>
void with_elements(const Call<void>* call, Function function) {
  if (*reinterpret_cast<const Int*>(call) == ELEMENT_FLOAT64) {
    function(*reinterpret_cast<const Call<double>*>(call));
  } else {
    function(*reinterpret_cast<const Call<float>*>(call));
  }
}

}  // namespace autocircuit

// What C cannot do.

#include <stdexcept>

extern "C" void throw_an_exception() {
    throw std::runtime_error("thrown by the plugin");
}

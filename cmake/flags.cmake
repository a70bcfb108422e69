# SPDX-License-Identifier: Apache-2.0
# Flags of every target. Exactness of the arithmetic rests on IEEE rules: no contraction, no fast-math.
add_library(obscura_flags INTERFACE)
target_include_directories(obscura_flags INTERFACE ${PROJECT_SOURCE_DIR}/src)
target_compile_options(obscura_flags INTERFACE -ffp-contract=off -fno-fast-math -fno-math-errno)
if(OBSCURA_DEVELOPER)
  target_compile_options(obscura_flags INTERFACE -Wall -Wextra -Wconversion -Wno-sign-conversion -Wnon-virtual-dtor -Werror)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC 12 warns of overlaps inside std::string's own operator+. Clang's -Wshadow tells of aliases of other files in a unity.
  target_compile_options(obscura_flags INTERFACE -Wno-restrict $<$<BOOL:${OBSCURA_DEVELOPER}>:-Wshadow>)
endif()
if(EMSCRIPTEN)
  # Lengths from files have 64 bits, sizes here 32: what reads them compares before it narrows (-Wconversion). plan/ counts
  # slots and elements in 64 bits that were verified to be few.
  target_compile_options(obscura_flags INTERFACE
    -fexceptions $<$<STREQUAL:$<TARGET_PROPERTY:NAME>,obscura_plan>:-Wno-shorten-64-to-32>)
  # Functions whose signatures differ between objects trap where they are called.
  target_link_options(obscura_flags INTERFACE -fexceptions -Wl,--fatal-warnings)
else()
  # What an attacker who finds an overflow meets: canaries, checked copies, tables that no write reaches. The loops of the
  # kernels do without canaries (src/kernels/CMakeLists.txt). tests/house/hardening_test.py holds the programs to it.
  target_link_options(obscura_flags INTERFACE -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack)
  if(NOT OBSCURA_SANITIZE)
    target_compile_options(obscura_flags INTERFACE -fstack-protector-strong
                                                   $<$<NOT:$<CONFIG:Debug>>:-U_FORTIFY_SOURCE;-D_FORTIFY_SOURCE=2>)
  endif()
endif()
if(OBSCURA_SANITIZE)
  target_compile_options(obscura_flags INTERFACE -fsanitize=${OBSCURA_SANITIZE} -fno-omit-frame-pointer
                                                 -fno-sanitize-recover=all)
  target_link_options(obscura_flags INTERFACE -fsanitize=${OBSCURA_SANITIZE})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    # Clang's check of vptr asks the kernel what is readable, which a worker (src/worker/confine.cpp) may not.
    target_compile_options(obscura_flags INTERFACE -fno-sanitize=vptr)
    if(OBSCURA_SANITIZE MATCHES "address")
      target_compile_definitions(obscura_flags INTERFACE __SANITIZE_ADDRESS__)  # as g++ does
    endif()
  endif()
endif()

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE_PROGRAM})
endif()

# obscura_library(name SOURCES ... DEPENDS ... LIBRARIES ...): a folder of src/ = a namespace = a target obscura::name.
function(obscura_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPENDS;LIBRARIES" ${ARGN})
  add_library(obscura_${name} STATIC ${arg_SOURCES})
  add_library(obscura::${name} ALIAS obscura_${name})
  target_link_libraries(obscura_${name} PUBLIC obscura_flags)
  foreach(dependency IN LISTS arg_DEPENDS)
    target_link_libraries(obscura_${name} PUBLIC obscura::${dependency})
  endforeach()
  target_link_libraries(obscura_${name} PUBLIC ${arg_LIBRARIES})
endfunction()

# obscura_lightly_optimised(targets): parsing, printing and sockets, whose templates cost minutes at -O3 and gain nothing.
# GCC 12 warns of copies inside std::string at -O1.
function(obscura_lightly_optimised)
  foreach(target IN LISTS ARGN)
    target_compile_options(${target} PRIVATE $<$<CONFIG:Release>:-O1 -Wno-stringop-overflow>)
  endforeach()
endfunction()

# obscura_test(name SOURCES ... DEPENDS ... [LABEL fast]): one GoogleTest program, one ctest entry per test case; under
# sanitizers, where a process takes long to start, one per program.
function(obscura_test name)
  cmake_parse_arguments(arg "" "LABEL;TIMEOUT" "SOURCES;DEPENDS" ${ARGN})
  if(NOT arg_LABEL)
    set(arg_LABEL fast)
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 300)
  endif()
  add_executable(${name} ${arg_SOURCES})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR})
  # Most of a test's compilation is its headers.
  set_target_properties(${name} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 8)
  target_link_libraries(${name} PRIVATE obscura_flags GTest::gtest_main GTest::gmock)
  foreach(dependency IN LISTS arg_DEPENDS)
    target_link_libraries(${name} PRIVATE obscura::${dependency})
  endforeach()
  obscura_lightly_optimised(${name})  # half of a test's compilation
  if(OBSCURA_SANITIZE)
    target_compile_options(${name} PRIVATE -O0)  # a third of it: what the sanitizers look at is src/
  endif()
  target_compile_definitions(${name} PRIVATE OBSCURA_SOURCE_DIR="${PROJECT_SOURCE_DIR}"
                                             OBSCURA_BINARY_DIR="${CMAKE_BINARY_DIR}")
  if(OBSCURA_SANITIZE)
    add_test(NAME ${name} COMMAND ${name})
    set_tests_properties(${name} PROPERTIES LABELS ${arg_LABEL} TIMEOUT 1800)
  else()
    gtest_discover_tests(${name} DISCOVERY_TIMEOUT 60 PROPERTIES LABELS ${arg_LABEL} TIMEOUT ${arg_TIMEOUT})
  endif()
endfunction()

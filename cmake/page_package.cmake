# SPDX-License-Identifier: Apache-2.0
# Read by cpack: with all packages comes that of the page for browsers, if the page is there by then.
cmake_minimum_required(VERSION 3.25)
if("obscura" IN_LIST CPACK_COMPONENTS_ALL AND EXISTS ${CMAKE_CURRENT_LIST_DIR}/../web/dist-page/index.html)
  list(APPEND CPACK_COMPONENTS_ALL obscura-page)
endif()

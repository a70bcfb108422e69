# SPDX-License-Identifier: Apache-2.0
# cmake --install, the CMake package `obscura` with its components, pkg-config files, and Debian packages (cpack -G DEB).
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(obscura_include ${CMAKE_INSTALL_INCLUDEDIR}/obscura-${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
set(obscura_cmake ${CMAKE_INSTALL_LIBDIR}/cmake/obscura)
file(RELATIVE_PATH obscura_prefix_of_pc /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)

install(TARGETS obscura RUNTIME COMPONENT obscura)
install(TARGETS obscura-server RUNTIME COMPONENT obscura-server)
install(FILES ${PROJECT_SOURCE_DIR}/packaging/obscura-server.service DESTINATION lib/systemd/system COMPONENT obscura-server)
install(FILES ${PROJECT_SOURCE_DIR}/docs/SERVICE.md DESTINATION ${CMAKE_INSTALL_DOCDIR}-server COMPONENT obscura-server)
# The page for browsers, where it was built (web/).
install(DIRECTORY ${PROJECT_SOURCE_DIR}/web/dist-page/ DESTINATION ${CMAKE_INSTALL_DATADIR}/obscura/page COMPONENT obscura-page
        OPTIONAL)
file(GLOB obscura_models ${PROJECT_SOURCE_DIR}/models/*.onnx)
install(FILES ${obscura_models} DESTINATION ${CMAKE_INSTALL_DATADIR}/obscura/models COMPONENT obscura)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/src/obscura/ DESTINATION ${obscura_include}/obscura COMPONENT libobscura-dev
        FILES_MATCHING PATTERN "*.h")
# What a component stands on, for pkg-config.
set(obscura_remote_requires obscura-client)
foreach(component client server compiler remote)
  install(TARGETS obscura_${component}_component EXPORT obscura-${component}
          LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT obscura NAMELINK_COMPONENT libobscura-dev)
  install(EXPORT obscura-${component} NAMESPACE obscura:: DESTINATION ${obscura_cmake} COMPONENT libobscura-dev)
  set(requires ${obscura_${component}_requires})
  configure_file(cmake/component.pc.in obscura-${component}.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/obscura-${component}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig
          COMPONENT libobscura-dev)
endforeach()

# The package for Python: Debian's, beside whose module no library lies, and what a wheel takes (python/setup.py).
if(TARGET obscura_python)
  set(obscura_python_folder lib/python3/dist-packages/obscura)
  install(TARGETS obscura_python LIBRARY DESTINATION ${obscura_python_folder} COMPONENT python3-obscura)
  install(DIRECTORY python/obscura/ DESTINATION ${obscura_python_folder} COMPONENT python3-obscura
          FILES_MATCHING PATTERN "*.py" PATTERN "*.pyi" PATTERN "py.typed" PATTERN "__pycache__" EXCLUDE)
  install(DIRECTORY python/examples/ DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/python3-obscura/examples
          COMPONENT python3-obscura FILES_MATCHING PATTERN "*.py" PATTERN "__pycache__" EXCLUDE)
  install(TARGETS obscura_python obscura_client_component obscura_server_component obscura_compiler_component
                  obscura_remote_component
          LIBRARY DESTINATION . COMPONENT wheel NAMELINK_SKIP EXCLUDE_FROM_ALL)
endif()

if(TARGET obscura_mpi_module)
  install(TARGETS obscura_mpi_module LIBRARY DESTINATION lib/obscura COMPONENT obscura-mpi)
endif()

configure_file(cmake/obscuraConfig.cmake.in obscuraConfig.cmake @ONLY)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/obscuraConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/obscuraConfig.cmake ${PROJECT_BINARY_DIR}/obscuraConfigVersion.cmake
        DESTINATION ${obscura_cmake} COMPONENT libobscura-dev)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME obscura)
set(CPACK_PACKAGE_CONTACT "The Obscura developers <obscura@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL obscura obscura-server libobscura-dev)
set(CPACK_COMPONENTS_GROUPING ONE_PER_GROUP)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_OBSCURA_PACKAGE_NAME obscura)
set(CPACK_DEBIAN_OBSCURA_PACKAGE_SECTION science)
set(CPACK_DEBIAN_OBSCURA-SERVER_PACKAGE_NAME obscura-server)
set(CPACK_DEBIAN_OBSCURA-SERVER_PACKAGE_SECTION science)
set(CPACK_DEBIAN_OBSCURA-SERVER_DESCRIPTION "Classifies encrypted images: the server of Obscura")
set(CPACK_DEBIAN_OBSCURA-SERVER_PACKAGE_SUGGESTS "obscura-page")
set(CPACK_DEBIAN_OBSCURA-PAGE_PACKAGE_NAME obscura-page)
set(CPACK_DEBIAN_OBSCURA-PAGE_PACKAGE_SECTION web)
set(CPACK_DEBIAN_OBSCURA-PAGE_PACKAGE_ARCHITECTURE all)
set(CPACK_DEBIAN_OBSCURA-PAGE_DESCRIPTION "Classifies encrypted images: the page for browsers (obscura-server serve --page)")
set(CPACK_DEBIAN_OBSCURA-PAGE_PACKAGE_RECOMMENDS "obscura-server (= ${PROJECT_VERSION})")
set(CPACK_PROJECT_CONFIG_FILE ${PROJECT_SOURCE_DIR}/cmake/page_package.cmake)
find_program(SHLIBDEPS_PROGRAM dpkg-shlibdeps)
if(SHLIBDEPS_PROGRAM)
  set(CPACK_DEBIAN_OBSCURA_PACKAGE_SHLIBDEPS ON)
  set(CPACK_DEBIAN_OBSCURA-SERVER_PACKAGE_SHLIBDEPS ON)
endif()
set(CPACK_DEBIAN_LIBOBSCURA-DEV_PACKAGE_NAME libobscura-dev)
set(CPACK_DEBIAN_LIBOBSCURA-DEV_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_LIBOBSCURA-DEV_PACKAGE_DEPENDS "obscura (= ${PROJECT_VERSION})")
if(TARGET obscura_python)
  list(APPEND CPACK_COMPONENTS_ALL python3-obscura)
  set(CPACK_DEBIAN_PYTHON3-OBSCURA_PACKAGE_NAME python3-obscura)
  set(CPACK_DEBIAN_PYTHON3-OBSCURA_PACKAGE_SECTION python)
  set(CPACK_DEBIAN_PYTHON3-OBSCURA_DESCRIPTION "Encrypted image classification (CKKS), for Python")
  # A module is for one version of Python; what it loads besides is what the libraries in `obscura` load.
  math(EXPR obscura_python_next "${obscura_python_minor} + 1")
  set(CPACK_DEBIAN_PYTHON3-OBSCURA_PACKAGE_DEPENDS
      "obscura (= ${PROJECT_VERSION}), python3 (>= 3.${obscura_python_minor}), python3 (<< 3.${obscura_python_next}), python3-numpy")
  set(CPACK_DEBIAN_PYTHON3-OBSCURA_PACKAGE_SUGGESTS "python3-torch")
endif()
if(TARGET obscura_mpi_module)
  list(APPEND CPACK_COMPONENTS_ALL obscura-mpi)
  set(CPACK_DEBIAN_OBSCURA-MPI_PACKAGE_NAME obscura-mpi)
  set(CPACK_DEBIAN_OBSCURA-MPI_PACKAGE_SECTION science)
  set(CPACK_DEBIAN_OBSCURA-MPI_DESCRIPTION "Classifies encrypted images: one run on many machines (obscura run --mpi)")
  set(CPACK_DEBIAN_OBSCURA-MPI_PACKAGE_DEPENDS "obscura (= ${PROJECT_VERSION}), openmpi-bin")
  if(SHLIBDEPS_PROGRAM)
    set(CPACK_DEBIAN_OBSCURA-MPI_PACKAGE_SHLIBDEPS ON)
  endif()
endif()
include(CPack)

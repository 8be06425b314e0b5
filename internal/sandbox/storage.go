package sandbox

import (
	"bytes"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"path"
	"strings"
)

// maxStorage bounds all stored files together, in bytes.
const maxStorage = 64 << 20

// storage is the cloud storage of the older API: clean absolute paths, kept in
// memory, the storage name ignored. Aspose.mu guards it.
type storage struct {
	files   map[string][]byte
	folders map[string]bool
	size    int
}

// storageRoute takes what follows /v3.0/omr/storage/, still escaped.
func storageRoute(rest string) map[string]endpoint {
	if rest == "disc" {
		return map[string]endpoint{http.MethodGet: discUsage}
	}
	what, escaped, ok := strings.Cut(rest, "/")
	if !ok || escaped == "" {
		if what == "folder" { // the root
			return map[string]endpoint{http.MethodGet: listFolder("/")}
		}
		return nil
	}
	if escaped == "exist" && what != "file" && what != "folder" && what != "exist" {
		return map[string]endpoint{http.MethodGet: storageExists}
	}
	name, err := url.PathUnescape(escaped)
	if err != nil {
		return nil
	}
	switch what {
	case "exist":
		return map[string]endpoint{http.MethodGet: objectExists(clean(name))}
	case "folder":
		p := clean(name)
		return map[string]endpoint{
			http.MethodGet: listFolder(p), http.MethodPut: createFolder(p),
			http.MethodPost: createFolder(p), http.MethodDelete: deleteTree(p),
		}
	case "file":
		if source, ok := strings.CutPrefix(name, "copy/"); ok {
			return map[string]endpoint{http.MethodPut: copyFile(clean(source), false)}
		}
		if source, ok := strings.CutPrefix(name, "move/"); ok {
			return map[string]endpoint{http.MethodPut: copyFile(clean(source), true)}
		}
		p := clean(name)
		return map[string]endpoint{
			http.MethodGet: downloadFile(p), http.MethodPut: uploadFile(p),
			http.MethodPost: uploadFile(p), http.MethodDelete: deleteTree(p),
		}
	}
	return nil
}

func clean(name string) string { return path.Clean("/" + name) }

func writeStorageJSON(w http.ResponseWriter, status int, v any) {
	writeJSON(w, status, "application/json; charset=utf-8", v)
}

func storageError(w http.ResponseWriter, status int, code, message string) {
	writeStorageJSON(w, status, map[string]any{
		"requestId": newGUID(),
		"error":     map[string]any{"code": code, "message": message},
	})
}

func notFound(w http.ResponseWriter) {
	storageError(w, http.StatusNotFound, "errorItemNotFound", "The item is not in the storage.")
}

func discUsage(a *Aspose, w http.ResponseWriter, _ *http.Request, _ []byte) {
	a.mu.Lock()
	used := a.storage.size
	a.mu.Unlock()
	writeStorageJSON(w, http.StatusOK, map[string]int{"usedSize": used, "totalSize": maxStorage})
}

func storageExists(_ *Aspose, w http.ResponseWriter, _ *http.Request, _ []byte) {
	writeStorageJSON(w, http.StatusOK, map[string]bool{"exists": true})
}

func objectExists(p string) endpoint {
	return func(a *Aspose, w http.ResponseWriter, _ *http.Request, _ []byte) {
		a.mu.Lock()
		_, isFile := a.storage.files[p]
		isFolder := a.storage.hasFolder(p)
		a.mu.Unlock()
		writeStorageJSON(w, http.StatusOK, map[string]bool{"exists": isFile || isFolder, "isFolder": isFolder})
	}
}

func downloadFile(p string) endpoint {
	return func(a *Aspose, w http.ResponseWriter, _ *http.Request, _ []byte) {
		a.mu.Lock()
		data, ok := a.storage.files[p]
		a.mu.Unlock()
		if !ok {
			notFound(w)
			return
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		_, _ = w.Write(data)
	}
}

func uploadFile(p string) endpoint {
	return func(a *Aspose, w http.ResponseWriter, r *http.Request, body []byte) {
		data, err := uploaded(r, body)
		if err != nil {
			storageError(w, http.StatusBadRequest, "errorInvalidRequest", "The upload has no readable file.")
			return
		}
		a.mu.Lock()
		ok := a.storage.put(p, data)
		a.mu.Unlock()
		if !ok {
			storageError(w, http.StatusInsufficientStorage, "errorQuotaExceeded", "The storage is full.")
			return
		}
		writeStorageJSON(w, http.StatusOK, map[string]any{"uploaded": []string{path.Base(p)}, "errors": []any{}})
	}
}

// uploaded returns the first part of a multipart body, else the body itself.
func uploaded(r *http.Request, body []byte) ([]byte, error) {
	mediaType, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || mediaType != "multipart/form-data" {
		return body, nil //nolint:nilerr // no form, then: the body is the file
	}
	part, err := multipart.NewReader(bytes.NewReader(body), params["boundary"]).NextPart()
	if err != nil {
		return nil, err
	}
	return io.ReadAll(part) // bounded: it is part of body
}

func copyFile(source string, move bool) endpoint {
	return func(a *Aspose, w http.ResponseWriter, r *http.Request, _ []byte) {
		target := r.URL.Query().Get("destPath")
		if target == "" {
			storageError(w, http.StatusBadRequest, "errorInvalidRequest", "destPath is required.")
			return
		}
		a.mu.Lock()
		data, found := a.storage.files[source]
		if found && move {
			a.storage.remove(source)
		}
		stored := found && a.storage.put(clean(target), data)
		a.mu.Unlock()
		switch {
		case !found:
			notFound(w)
		case !stored:
			storageError(w, http.StatusInsufficientStorage, "errorQuotaExceeded", "The storage is full.")
		default:
			w.WriteHeader(http.StatusOK)
		}
	}
}

func createFolder(p string) endpoint {
	return func(a *Aspose, w http.ResponseWriter, _ *http.Request, _ []byte) {
		a.mu.Lock()
		if a.storage.folders == nil {
			a.storage.folders = map[string]bool{}
		}
		a.storage.folders[p] = true
		a.mu.Unlock()
		w.WriteHeader(http.StatusOK)
	}
}

func deleteTree(p string) endpoint {
	return func(a *Aspose, w http.ResponseWriter, _ *http.Request, _ []byte) {
		a.mu.Lock()
		a.storage.remove(p)
		a.mu.Unlock()
		w.WriteHeader(http.StatusOK)
	}
}

func listFolder(p string) endpoint {
	return func(a *Aspose, w http.ResponseWriter, _ *http.Request, _ []byte) {
		a.mu.Lock()
		exists, entries := a.storage.hasFolder(p), a.storage.list(p)
		a.mu.Unlock()
		if !exists {
			notFound(w)
			return
		}
		writeStorageJSON(w, http.StatusOK, map[string]any{"value": entries})
	}
}

# ruff: noqa: E501
"""Pairs that a critic of the grader found, by kind, and siblings of each: in either order.

Each line is a verdict and two answers. Half of the siblings differ though they look alike.
"""

import pytest

from scalediff import grade, grade_many

FOUND = r"""
wrong ;; 10 ;; 10 a^{2}
wrong ;; \frac{3}{4} ;; \frac{3}{4} a
wrong ;; 5 ;; 5\text{ negative}
wrong ;; 3 ;; 3\text{ sixteenths of an inch}
wrong ;; 5 ;; 5\text{ is wrong}
wrong ;; 5 ;; 5\text{ eighths}
wrong ;; 2 ;; 2\text{ crore}
wrong ;; 4 ;; 4\text{ ninths}
wrong ;; f''(x)=6x ;; f'(x)=6x
wrong ;; f^{(2)}(0) ;; f(0)^2
wrong ;; y''+y=0 ;; y'+y=0
wrong ;; \frac{dV}{dt}=5 ;; \frac{dr}{dt}=5
wrong ;; \text{mean}=5, \text{median}=6 ;; 6, 5
wrong ;; f(1)=2, f(2)=3 ;; 3, 2
wrong ;; (u,v)=(7,9) ;; v=7, u=9
wrong ;; P\lor Q ;; P\land Q
wrong ;; x=0\text{ or }y=0 ;; x=0\text{ and }y=0
wrong ;; \nabla\times F ;; \nabla\cdot F
wrong ;; \{1,2\} ;; \{1,\{2\}\}
wrong ;; (1,2) ;; (1,\{2\})
wrong ;; x^2-1=x ;; x^2-1
wrong ;; y=x ;; \ln y=\ln x
undecided ;; 2 ;; \log 100
undecided ;; 2 ;; e^{\log 2}
undecided ;; \frac{x}{y(z+1)} ;; x/y(z+1)
undecided ;; a^{bc} ;; (a^b)^c
wrong ;; \log_2 8=3 ;; \log_3 9=2
wrong ;; \ln 2=0.69 ;; \ln 3=1.1
right ;; 10 a^{2} ;; 10a^2
right ;; \frac{1}{2} a ;; \frac{a}{2}
right ;; 0 ;; \ln 2+\ln 3-\ln 6
right ;; (0,2) ;; (2\cos\frac{\pi}{2}, 2\sin\frac{\pi}{2})
right ;; 0 ;; \cos\frac{\pi}{2}
right ;; a<b ;; b>a
right ;; x\ge k ;; k\le x
right ;; [2,\infty) ;; \{x\in\mathbb{R}: x\ge 2\}
right ;; (3,\infty) ;; \{x\in\mathbb{R}\mid x>3\}
right ;; \{\pm 3\} ;; 3,-3
right ;; \begin{pmatrix}1\\2\end{pmatrix}, \begin{pmatrix}3\\4\end{pmatrix} ;; \begin{pmatrix}1 \\ 2\end{pmatrix}, \begin{pmatrix}3 \\ 4\end{pmatrix}
right ;; \{4,5,6\} ;; \{4,5\}\cup\{6\}
right ;; \{1,3\} ;; \{1,2,3\}\setminus\{2\}
right ;; \frac12\ln\frac{1+x}{1-x} ;; \frac12(\ln(1+x)-\ln(1-x))
right ;; 0 ;; \sin(n\pi)
right ;; k\pi+\frac{\pi}{3} ;; k\pi-\frac{2\pi}{3}
right ;; A\cos x+B\sin x ;; C_1\sin x+C_2\cos x
right ;; x^3+C ;; x^3+4+C
undecided ;; \ln 5 ;; \log 5
right ;; 0.5 ;; 0,5
undecided ;; 7.5 ;; 7,5
right ;; 11250 ;; 11,\! 250
right ;; [1,2] ;; \begin{bmatrix}1\\2\end{bmatrix}
undecided ;; (4,-1) ;; 4i-j
undecided ;; x=y\text{ or }x=-y ;; x^2=y^2
right ;; p=1,q=2; p=3,q=4 ;; (1,2),(3,4)
undecided ;; \frac{50}{3} ;; 16.7
right ;; 0.335 ;; 33.5\text{ pct}
right ;; \frac49 ;; 4\text{ ninths}
right ;; 6x ;; \frac{d}{dx}(3x^2)
"""
SIBLINGS = r"""
# letters
wrong ;; 7 ;; 7 a
wrong ;; 12 ;; 12 b
wrong ;; 3 ;; 3 a b
right ;; 7a ;; 7 a
right ;; \frac{2}{3}a^3 ;; \frac{2}{3} a^{3}
wrong ;; \sqrt{5} ;; \sqrt{5} a
wrong ;; 2\pi ;; 2\pi a
right ;; 5\sqrt{3} a ;; 5a\sqrt{3}
wrong ;; 5 ;; 5 an
right ;; 3 ;; 3\text{ cm}
# words
wrong ;; 7 ;; 7\text{ elevenths}
wrong ;; 6 ;; 6\text{ dozen}
wrong ;; 6 ;; 6\text{ lakh}
wrong ;; 3 ;; 3\text{ hundredths}
right ;; 0.03 ;; 3\text{ hundredths}
wrong ;; 5 ;; 5\text{ squared}
right ;; 25 ;; 5\text{ squared}
undecided ;; 5 ;; 5\text{ short}
undecided ;; 5 ;; 5\text{ less}
undecided ;; 5 ;; 5\text{ more than } x
wrong ;; 5 ;; 5\text{ is not the answer}
wrong ;; 5 ;; 5 negative
right ;; 72 ;; 6\text{ dozen eggs}
right ;; 5 ;; 5\text{ marbles}
right ;; 12 ;; 12\text{ square units}
right ;; 12 ;; 12\text{ ways}
right ;; 12 ;; 12 years old
wrong ;; 3 ;; 3\text{ factorial}
right ;; 6 ;; 3\text{ factorial}
wrong ;; 2 ;; 2\text{ gross}
wrong ;; 5 ;; 5\text{ thousandths}
right ;; \frac{5}{8} ;; 5\text{ eighths}
right ;; \frac58 ;; 5 eighths
# derivatives
wrong ;; f'(x)=2x ;; f(x)=2x
wrong ;; f'''(0) ;; f''(0)
wrong ;; y''-y=0 ;; y'-y=0
right ;; f''(0) ;; f^{(2)}(0)
wrong ;; f'(2)=5 ;; f(2)=5
wrong ;; g'(x) ;; f'(x)
wrong ;; \frac{dy}{dx}=3 ;; \frac{dx}{dy}=3
wrong ;; \frac{d^2y}{dx^2}=2 ;; \frac{dy}{dx}=2
right ;; \frac{dy}{dx}=2x ;; y'=2x
right ;; \frac{dy}{dx}=2x ;; 2x
right ;; \frac{dV}{dt}=5 ;; 5
wrong ;; \frac{dA}{dt} = 2\pi r ;; \frac{dA}{dr}=2\pi r
wrong ;; \frac{\partial f}{\partial x} ;; \frac{\partial f}{\partial y}
wrong ;; y''=-y ;; y'=-y
right ;; y''+y=0 ;; y''=-y
wrong ;; x'=3 ;; x''=3
# named
right ;; \text{mean}=5, \text{median}=6 ;; \text{median}=6, \text{mean}=5
right ;; \text{mean}=5, \text{median}=6 ;; 5, 6
wrong ;; a=3, b=4 ;; 4, 3
right ;; a=3, b=4 ;; b=4, a=3
wrong ;; a=3, b=4 ;; a=4, b=3
right ;; x=1, y=2 ;; (1,2)
wrong ;; x=1, y=2 ;; (2,1)
right ;; (x,y)=(1,2) ;; x=1, y=2
right ;; (x,y)=(1,2) ;; y=2, x=1
right ;; (u,v)=(7,9) ;; u=7, v=9
wrong ;; (a,b)=(2,3) ;; a=3, b=2
right ;; x=1 \text{ and } y=2 ;; (1,2)
right ;; (x,y,z)=(1,2,3) ;; x=1,y=2,z=3
wrong ;; (x,y,z)=(1,2,3) ;; (1,3,2)
wrong ;; \angle A=30, \angle B=60 ;; 60, 30
wrong ;; (x,y)=(7,9) ;; (y,x)=(7,9)
right ;; (x,y)=(7,9) ;; (y,x)=(9,7)
# and or
wrong ;; A\lor B ;; A\land B
right ;; A\land B ;; B\land A
wrong ;; x=1\text{ and }y=2 ;; x=1\text{ or }y=2
right ;; x=1\text{ or }x=2 ;; x=1\text{ and }x=2
wrong ;; a=0\text{ or }b=0 ;; a=0\text{ and }b=0
wrong ;; x>0\text{ or }y>0 ;; x>0\text{ and }y>0
wrong ;; x>1\text{ and }x<4 ;; x>1\text{ or }x<4
wrong ;; x<1 \text{ or } x>4 ;; x<1 \text{ and } x>4
# cross
wrong ;; \vec{a}\times\vec{b} ;; \vec{a}\cdot\vec{b}
wrong ;; \mathbf{u}\cdot\mathbf{v} ;; \mathbf{u}\times\mathbf{v}
right ;; 3\times 4 ;; 3\cdot 4
right ;; \nabla\times F ;; \nabla \times F
right ;; 2\times x ;; 2\cdot x
undecided ;; a\times b ;; a\cdot b
right ;; 6\times 10^5 ;; 6\cdot 10^5
# nested
wrong ;; \{1,2,3\} ;; \{\{1,2\},3\}
wrong ;; \{\{1,2\}\} ;; \{1,2\}
right ;; \{1,\{2\}\} ;; \{\{2\},1\}
wrong ;; ((1,2),3) ;; (1,(2,3))
wrong ;; (1,2,3) ;; ((1,2),3)
wrong ;; \{\emptyset\} ;; \emptyset
wrong ;; \{1,\{1\}\} ;; \{1\}
wrong ;; [1,[2]] ;; [1,2]
# eq own letter
wrong ;; x^2-1=x ;; x^2-1
wrong ;; n=n^2-2 ;; n^2-2
wrong ;; y=2y+3 ;; 2y+3
right ;; y=2x+3 ;; 2x+3
right ;; x^2-1=x ;; x=x^2-1
right ;; x^2-x-1=0 ;; x^2-1=x
wrong ;; x=\cos x ;; \cos x
# domain
wrong ;; y=x ;; \sqrt{y}=\sqrt{x}
wrong ;; x^2=y^2 ;; x=y
wrong ;; y=x ;; \log y=\log x
wrong ;; y=x^2 ;; \sqrt{y}=x
right ;; 2y=2x ;; y=x
wrong ;; x=y ;; |x|=|y|
# log
undecided ;; 3 ;; \log 1000
right ;; 3 ;; \log_{10} 1000
undecided ;; \log_{10} 5 ;; \log 5
right ;; \log 6 ;; \log 2+\log 3
wrong ;; \log 6 ;; \log 5
right ;; 3 ;; \frac{\log 8}{\log 2}
wrong ;; 7 ;; \log 5
wrong ;; 2\log 3 ;; \log 6
undecided ;; x=\log 5 ;; x=\ln 5
# slash
undecided ;; \frac{1}{2x} ;; 1/2x
undecided ;; \frac{x}{2} ;; 1/2x
wrong ;; 3x ;; 1/2x
undecided ;; \frac{a}{bc} ;; a/bc
right ;; \frac{a}{bc} ;; a/(bc)
right ;; \frac{x+1}{2} ;; (x+1)/2
undecided ;; \frac{\pi}{2a} ;; \pi/2a
# powers
undecided ;; x^{ab} ;; (x^a)^b
right ;; x^6 ;; (x^2)^3
right ;; 4^n ;; (2^n)^2
undecided ;; x ;; \sqrt{x^2}
wrong ;; a^{b+c} ;; (a^b)^c
undecided ;; B^{-1}A^{-1} ;; (AB)^{-1}
undecided ;; x ;; (x^2)^{1/2}
# number equations
wrong ;; 2^3=8 ;; 3^2=9
wrong ;; \sin 30^\circ=\frac12 ;; \cos 0 = 1
right ;; \log_2 8=3 ;; 3
right ;; \log_2 8=3 ;; \log_2 8 = 3
wrong ;; \sqrt{2}=1.41 ;; \sqrt{3}=1.73
wrong ;; \log_2 8=3 ;; 8
# zero
right ;; 0 ;; \sin\pi
right ;; 0 ;; \sqrt2\cdot\sqrt3-\sqrt6
right ;; 0 ;; \sqrt{3+2\sqrt2}-1-\sqrt2
wrong ;; 0 ;; e^{-40}
wrong ;; 0 ;; 10^{-30}
wrong ;; 0 ;; e^{\pi\sqrt{163}}-640320^3-744
wrong ;; 0 ;; \sqrt{10^{40}+1}-10^{20}
right ;; (1,0) ;; (\cos 2\pi, \sin 2\pi)
right ;; 0 ;; \tan\pi
right ;; 0 ;; \log_2 8-3
wrong ;; 0 ;; \cos\frac{\pi}{3}
wrong ;; 0 ;; \pi-\frac{355}{113}
right ;; -1 ;; e^{i\pi}
right ;; 0 ;; e^{i\pi}+1
right ;; [0,1] ;; [\cos\frac{\pi}{2},1]
right ;; x ;; x+\ln 2+\ln 3-\ln 6
# inequalities
right ;; a<b ;; b>a
wrong ;; a<b ;; a>b
wrong ;; a<b ;; b\ge a
right ;; m\le n+1 ;; n+1\ge m
right ;; 0<a<b ;; b>a>0
right ;; x>3 ;; 3<x
wrong ;; x\ge k ;; x\le k
right ;; x\ge 2k ;; 2k\le x
right ;; x>3 ;; 2x>6
wrong ;; x>3 ;; 2x>5
right ;; y\ge x^2 ;; x^2\le y
right ;; x>2\text{ and }x<5 ;; (2,5)
right ;; 2<x<5 ;; x>2\text{ and }x<5
wrong ;; x>2\text{ and }x<5 ;; [2,5]
wrong ;; (-\infty,\sqrt2) ;; (-\infty,\sqrt2]
wrong ;; [\sqrt2,3) ;; (\sqrt2,3)
right ;; (-\infty,\sqrt8) ;; (-\infty,2\sqrt2)
right ;; (1,3) ;; (1,2]\cup(2,3)
wrong ;; (1,3) ;; (1,2)\cup(2,3)
# set builder
right ;; [2,\infty) ;; \{x\in\mathbb{R}: x\ge 2\}
wrong ;; [2,\infty) ;; \{x\in\mathbb{R}: x> 2\}
right ;; (-1,4] ;; \{x \mid -1<x\le 4\}
right ;; (-1,4] ;; \{t\in\mathbb{R} \mid -1<t\le 4\}
wrong ;; (3,\infty) ;; \{x\in\mathbb{Z}: x>3\}
right ;; \mathbb{R}\setminus\{2\} ;; \{x\in\mathbb R: x\ne 2\}
right ;; (-\infty,2)\cup(2,\infty) ;; \{x\in\mathbb R: x\ne 2\}
right ;; (-\infty,1)\cup(3,\infty) ;; \{x: x<1\text{ or }x>3\}
right ;; \{x\in\mathbb{R}: x\ge 2\} ;; x\ge 2
right ;; \{1,2,3\} ;; \{x\in\mathbb{Z}: 1\le x\le 3\}
wrong ;; [1,3] ;; \{x\in\mathbb{Z}: 1\le x\le 3\}
# pm
right ;; \{\pm 3\} ;; \{3,-3\}
right ;; \{-2,-1,1,2\} ;; \{\pm1,\pm2\}
wrong ;; \{\pm 3\} ;; 3
wrong ;; \{\pm 3\} ;; \{3\}
wrong ;; \{\pm 3\} ;; \{\pm 2\}
right ;; \{1\pm\sqrt2\} ;; 1+\sqrt2, 1-\sqrt2
right ;; \{0,\pm 1\} ;; -1,0,1
right ;; x=\pm 3 ;; 3,-3
# matrices
right ;; \begin{pmatrix}1\\2\end{pmatrix}, \begin{pmatrix}3\\4\end{pmatrix} ;; \begin{pmatrix}3 \\ 4\end{pmatrix}, \begin{pmatrix}1 \\ 2\end{pmatrix}
wrong ;; \begin{pmatrix}1\\2\end{pmatrix}, \begin{pmatrix}3\\4\end{pmatrix} ;; \begin{pmatrix}1 \\ 2\end{pmatrix}, \begin{pmatrix}3 \\ 5\end{pmatrix}
wrong ;; \begin{pmatrix}1&2\\3&4\end{pmatrix} ;; \begin{pmatrix}1&3\\2&4\end{pmatrix}
right ;; \left\{\begin{pmatrix}1\\0\end{pmatrix},\begin{pmatrix}0\\1\end{pmatrix}\right\} ;; \left\{\begin{pmatrix}1 \\ 0\end{pmatrix}, \begin{pmatrix}0 \\ 1\end{pmatrix}\right\}
# unions
right ;; \{1,2,3\} ;; \{1,2\}\cup\{2,3\}
right ;; \{2\} ;; \{1,2\}\cap\{2,3\}
wrong ;; \{1,2\} ;; \{1,2\}\cap\{2,3\}
right ;; \{1\} ;; \{1,2\}\setminus\{2\}
right ;; \{-1\}\cup\{3\} ;; -1, 3
right ;; (2,5)\cup\{7\} ;; \{7\}\cup(2,5)
right ;; [0,2)\cup(2,5] ;; [0,5]\setminus\{2\}
wrong ;; [0,5] ;; [0,5]\setminus\{2\}
right ;; \{a,b\} ;; \{a\}\cup\{b\}
# part of line
right ;; \ln(x+1)-\ln(x-1) ;; \ln\frac{x+1}{x-1}
right ;; \arcsin x ;; \frac{\pi}{2}-\arccos x
wrong ;; \arcsin x ;; \arccos x
right ;; \frac12\ln\frac{1+x}{1-x} ;; \ln\sqrt{\frac{1+x}{1-x}}
wrong ;; \frac12\ln\frac{1+x}{1-x} ;; \frac12\ln\frac{1-x}{1+x}
right ;; \sqrt{1-x}\sqrt{1+x} ;; \sqrt{1-x^2}
wrong ;; \sqrt{1-x^2} ;; \sqrt{1+x^2}
wrong ;; \ln(1-x) ;; \ln(1-x)+0.001
# families
right ;; k\pi+\frac{\pi}{3} ;; n\pi-\frac{2\pi}{3}
wrong ;; k\pi+\frac{\pi}{3} ;; k\pi-\frac{\pi}{3}
wrong ;; k\pi+\frac{\pi}{3} ;; 2k\pi+\frac{\pi}{3}
right ;; \frac{\pi}{4}+\frac{k\pi}{2} ;; \frac{\pi}{4}+k\pi, \frac{3\pi}{4}+k\pi
right ;; \frac{\pi}{6}+2k\pi, \frac{5\pi}{6}+2k\pi ;; (-1)^k\frac{\pi}{6}+k\pi
right ;; 0 ;; \sin(2n\pi)
wrong ;; 0 ;; \cos(n\pi)
wrong ;; 0 ;; \sin(\frac{n\pi}{2})
right ;; 1 ;; \cos(2n\pi)
right ;; (-1)^n ;; \cos(n\pi)
right ;; \frac{\pi}{3}+k\pi, k\in\mathbb{Z} ;; \frac{4\pi}{3}+k\pi
right ;; 2k+1, k\in\mathbb{Z} ;; 2k-1
wrong ;; 2k+1 ;; 2k
right ;; x=\frac{\pi}{3}+2k\pi ;; \frac{\pi}{3}+2k\pi
right ;; \pm\frac{\pi}{3}+2k\pi ;; \frac{\pi}{3}+2k\pi, -\frac{\pi}{3}+2k\pi
right ;; 60^\circ+180^\circ k ;; 240^\circ+180^\circ k
wrong ;; n^2 ;; n^2+1
# constants
right ;; x^3+C ;; x^3+C+4
wrong ;; x^3+C ;; x^3
wrong ;; x^3+C ;; x^3+x+C
wrong ;; x^3+C ;; 3x^3+C
right ;; Ce^{2x} ;; 2Ce^{2x}
right ;; C_1e^x+C_2e^{-x} ;; Ae^{-x}+Be^x
right ;; C_1e^x+C_2e^{-x} ;; A\cosh x+B\sinh x
wrong ;; C_1e^x+C_2e^{-x} ;; A\cos x+B\sin x
wrong ;; C_1e^x+C_2e^{2x} ;; C_1e^x+C_2e^{3x}
right ;; y=Ce^{x} ;; y=C_1 e^{x}
right ;; \ln|x|+C ;; C+\ln|x|
right ;; -\cos^2 x+C ;; \sin^2 x+C
wrong ;; \sin x+C ;; \cos x+C
right ;; \frac{x^2}{2}+C ;; \frac12x^2+K
wrong ;; A+B ;; A-B
wrong ;; A+B ;; A+B+1
wrong ;; \frac{C}{2} ;; C
# commas
right ;; 0.25 ;; 0,25
undecided ;; 3.14 ;; 3,14
wrong ;; 0.5 ;; 0,6
right ;; 1234567 ;; 1.234.567
right ;; 1234.5 ;; 1.234,5
undecided ;; 1234 ;; 1.234
right ;; 11250 ;; 11,\!250
right ;; 1000000 ;; 1,\! 000,\! 000
wrong ;; 11250 ;; 11,\! 350
right ;; 0,5 ;; 0, 5
right ;; -0.75 ;; -0,75
# rows
right ;; [1,2] ;; \begin{bmatrix}1&2\end{bmatrix}
wrong ;; [1,2] ;; \begin{bmatrix}2\\1\end{bmatrix}
right ;; (1,2,3) ;; \begin{pmatrix}1\\2\\3\end{pmatrix}
wrong ;; [1,2] ;; \begin{bmatrix}1&0\\0&2\end{bmatrix}
right ;; [[1,2],[3,4]] ;; \begin{bmatrix}1&2\\3&4\end{bmatrix}
wrong ;; [[1,2],[3,4]] ;; \begin{bmatrix}1&3\\2&4\end{bmatrix}
right ;; \langle 1,2\rangle ;; \begin{pmatrix}1\\2\end{pmatrix}
# vectors
undecided ;; (4,-1) ;; 4i-j
wrong ;; (4,-1) ;; 4i+j
right ;; (4,-1) ;; 4\mathbf{i}-\mathbf{j}
right ;; (4,-1) ;; 4\hat{i}-\hat{j}
right ;; (4,-1,2) ;; 4\hat{\imath}-\hat{\jmath}+2\hat{k}
wrong ;; (4,-1) ;; 4\vec{i}+\vec{j}
right ;; (1,-2,3) ;; \mathbf{i}-2\mathbf{j}+3\mathbf{k}
right ;; \langle 0,3\rangle ;; 3\mathbf{j}
right ;; 4\mathbf{i}-\mathbf{j} ;; -\mathbf{j}+4\mathbf{i}
# or solutions
undecided ;; x=y\text{ or }x=-y ;; x^2=y^2
wrong ;; x=y\text{ or }x=-y ;; x^2=2y^2
undecided ;; x=2\text{ or }x=-2 ;; x^2=4
wrong ;; x=2\text{ or }x=-2 ;; x^2=5
# semicolons
right ;; p=1,q=2; p=3,q=4 ;; (3,4),(1,2)
wrong ;; p=1,q=2; p=3,q=4 ;; (1,2),(4,3)
right ;; (1,2);(3,4) ;; (1,2),(3,4)
right ;; 1;2 ;; 1,2
right ;; x=1,y=2; x=3,y=4 ;; x=3,y=4; x=1,y=2
wrong ;; x=1,y=2; x=3,y=4 ;; x=1,y=4; x=3,y=2
right ;; x=1,y=2\text{ or }x=3,y=4 ;; (1,2),(3,4)
right ;; 1,2;3,4 ;; (1,2),(3,4)
# rounding
undecided ;; \frac{50}{3} ;; 16.7
undecided ;; \frac{50}{3}\pi ;; 16.67\pi
wrong ;; \frac{50}{3} ;; 16.8
wrong ;; \frac{50}{3} ;; 17
undecided ;; \sqrt2 ;; 1.41
undecided ;; 5+\sqrt2 ;; 5+1.41
wrong ;; \sqrt2 ;; 1.43
undecided ;; \frac{x}{3} ;; 0.33x
wrong ;; \frac{x}{3} ;; 0.35x
# words for numbers
right ;; 0.335 ;; 33.5\text{ percent}
right ;; 0.12 ;; 12 pct
right ;; \frac37 ;; 3\text{ sevenths}
right ;; \frac37 ;; \text{three sevenths}
wrong ;; \frac37 ;; 4\text{ sevenths}
right ;; 2.5 ;; \text{two and a half}
right ;; 24 ;; \text{two dozen}
right ;; 24 ;; 2\text{ dozen}
right ;; 20000000 ;; 2\text{ crore}
wrong ;; 20000000 ;; 2\text{ lakh}
right ;; \frac{3}{16}\text{ inch} ;; 3\text{ sixteenths of an inch}
# derivatives
right ;; 6x ;; \frac{d}{dx}(3x^2)
wrong ;; 3x ;; \frac{d}{dx}(3x^2)
right ;; \cos x ;; \frac{d}{dx}\sin x
right ;; 6x ;; \frac{d^2}{dx^2}x^3
right ;; \frac13 ;; \int_0^1 x^2\,dx
wrong ;; \frac12 ;; \int_0^1 x^2\,dx
right ;; 2xy ;; \frac{\partial}{\partial x}(x^2y)
wrong ;; 2xy ;; \frac{\partial}{\partial y}(x^2y)
right ;; \frac{\pi}{4} ;; \int_0^1\frac{1}{1+x^2}\,dx
right ;; 6 ;; \int_{1}^{3}(2x-1)\,dx
right ;; \frac{x^2}{2} ;; \int_0^x t\,dt
# choices
right ;; E ;; E: A polygenic score
right ;; no ;; No
right ;; C ;; C: 12 apples
wrong ;; D ;; E: A polygenic score
wrong ;; A ;; E: A polygenic score
wrong ;; no ;; Yes
right ;; x+y=4 ;; y=4-x
wrong ;; x+y=4 ;; y=x-4
right ;; \sum_{k=0}^{\infty}\frac{1}{2^k} ;; 2
wrong ;; \sum_{k=0}^{\infty}\frac{1}{2^k} ;; 1
right ;; \int 2x\,dx ;; x^2+C
wrong ;; \int 2x\,dx ;; x^3+C
# what hard values cost
right ;; 1 ;; \int_0^1\int_0^2 xy\,dy\,dx
right ;; e^{x^2} ;; \frac{d}{dx}\int_0^x e^{t^2}dt
undecided ;; e^{t^2} ;; \frac{d}{dx}\int_0^x e^{t^2}dt
right ;; 2xe^{x^4} ;; \frac{d}{dx}\int_0^{x^2} e^{t^2}dt
right ;; -\cos(x^2) ;; \frac{d}{dx}\int_x^3 \cos(t^2)dt
undecided ;; 2 ;; \int_0^1\frac{1}{\sqrt{x}}dx
right ;; 12502500 ;; \sum_{k=1}^{5000}k
wrong ;; 12502501 ;; \sum_{k=1}^{5000}k
right ;; \frac{\pi^2}{6} ;; \sum_{k=1}^{\infty}\frac{1}{k^2}
# ratios
right ;; \sqrt2 ;; \sqrt2:1
right ;; \frac{\sqrt3}{2} ;; \sqrt3:2
wrong ;; \sqrt2 ;; 1:\sqrt2
wrong ;; \sqrt2 ;; \sqrt3:1
# functions, products of matrices, vectors
right ;; \operatorname{arsinh} x ;; \ln(x+\sqrt{x^2+1})
wrong ;; \operatorname{arsinh} x ;; \ln(x+\sqrt{x^2-1})
right ;; \operatorname{artanh}(x/2) ;; \tanh^{-1}(x/2)
undecided ;; A^2B ;; ABA
undecided ;; ABC^2 ;; CABC
right ;; A^2B ;; AAB
undecided ;; (-3,0) ;; -3i
undecided ;; (0,5) ;; 5i
wrong ;; (0,5) ;; 4i
# equations
right ;; \ln 5=1.61 ;; 1.61=\ln 5
right ;; \frac{d^2y}{dx^2}=4x ;; y''=4x
wrong ;; \frac{d^2y}{dx^2}=4x ;; y'=4x
undecided ;; \frac{dy}{dx}=4x ;; z'=4x
right ;; f''(x)=6x ;; f^{\prime\prime}(x)=6x
wrong ;; f''(x)=6x ;; f^{\prime}(x)=6x
right ;; x=y\text{ or }x=-y ;; x=\pm y
right ;; (r,\theta)=(2,\pi) ;; \theta=\pi, r=2
wrong ;; (r,\theta)=(2,\pi) ;; \theta=2, r=\pi
# functions, or products
undecided ;; 0 ;; E[X^2]-E[X]^2
undecided ;; E[X]^2 ;; E[X^2]
undecided ;; E(X)^2 ;; E(X^2)
undecided ;; E[XY] ;; E[X]Y
undecided ;; Var(X)^2 ;; Var(X^2)
undecided ;; P(A)^2 ;; P(A^2)
undecided ;; P(AB) ;; P(A)B
undecided ;; T(n)=2T(n/2)+n ;; T(n)=T(n)+n
undecided ;; a(n+1)=2a(n) ;; a(n+1)=a(2n)
undecided ;; a(n+2)=a(n+1)+1 ;; an+2a=an+a+1
undecided ;; y(2)=3 ;; 2y=3
undecided ;; C(3)=6 ;; 3C=6
undecided ;; Q(x)=x ;; Qx=x
undecided ;; T(2n) ;; 2T(n)
undecided ;; L(2n) ;; 2L(n)
undecided ;; p(2n) ;; 2p(n)
undecided ;; y(2n) ;; 2y(n)
undecided ;; \phi(10) ;; 10\phi
undecided ;; \varphi(n^2) ;; \varphi(n)^2
undecided ;; \pi(10) ;; 10\pi
undecided ;; \Gamma(1/2) ;; \Gamma/2
undecided ;; \zeta(2) ;; 2\zeta
undecided ;; [ABC] ;; ABC
undecided ;; d(x) ;; dx
undecided ;; \mathrm{Var}(X)^2 ;; \mathrm{Var}(X^2)
undecided ;; \operatorname{Var}(X)^2 ;; \operatorname{Var}(X^2)
undecided ;; \mathbb{E}[X]^2 ;; \mathbb{E}[X^2]
undecided ;; E\left[X\right]^2 ;; E\left[X^2\right]
undecided ;; E^2[X] ;; E[X^2]
undecided ;; \sigma(2n) ;; 2\sigma(n)
wrong ;; x<\zeta(2) ;; x<2\zeta
undecided ;; \sum_{k=1}^n P(k) ;; nP(k)
right ;; E[X^2]-E[X]^2 ;; -E[X]^2+E[X^2]
right ;; T(n)=2T(n/2)+n ;; T(n)=n+2T(\frac{n}{2})
right ;; x(x+1) ;; x^2+x
right ;; \frac{n(n-1)}{2} ;; \frac{n^2-n}{2}
right ;; \pi(R^2-r^2) ;; \pi R^2-\pi r^2
right ;; a(b+c) ;; ab+ac
right ;; a_1(r^n-1) ;; a_1r^n-a_1
right ;; [ABC] ;; [ABC]
undecided ;; \Gamma(5) ;; 24
undecided ;; \zeta(2) ;; \frac{\pi^2}{6}
undecided ;; 4 ;; \phi(10)
right ;; P(x)=x^2+1 ;; P(x)=1+x^2
right ;; 2\pi(r+h) ;; 2\pi r+2\pi h
right ;; n(n+1)(n+2) ;; n^3+3n^2+2n
# words that change the value; rates; currencies; domains; matrices; names
undecided ;; 3 ;; 3\text{ score}
undecided ;; 3 ;; 3\text{ pairs}
undecided ;; 3 ;; 3\text{ triples}
undecided ;; 3 ;; 3\text{ square roots}
undecided ;; 3 ;; 3\text{ square}
undecided ;; 3 ;; 3\text{ meter square}
undecided ;; 3\text{ meters} ;; 3\text{ meter square}
undecided ;; 3 ;; 3\text{ cube}
undecided ;; 2 ;; 2\text{ radians}^2
undecided ;; 5\text{ cm} ;; 5\text{ cm by cm}
undecided ;; 5\text{ units} ;; 5\text{ units}^2
undecided ;; 5 ;; 5\text{ per dozen}
undecided ;; 5 ;; 5\text{ dollars per dozen}
undecided ;; 5 ;; 5\text{ dollars a dozen}
undecided ;; 5 ;; 5\text{ loss}
undecided ;; 3 ;; 3\text{ dollars loss}
undecided ;; 1000 ;; 1000\text{ foot loss}
undecided ;; 3 ;; 3\text{ percentage points}
undecided ;; 4 ;; 4\text{ bits per byte}
undecided ;; 5\text{ cents} ;; 5\text{ cents on the dollar}
undecided ;; 5 ;; 5\text{ cents on the dollar}
undecided ;; 3\text{ shoes} ;; \text{3 pairs of shoes}
right ;; 12 ;; 12\text{ square units}
right ;; 12 ;; 12\text{ square cm}
right ;; 12 ;; 12\text{ cm}^2
right ;; 12 ;; 12\text{ miles per gallon}
right ;; 36 ;; 3\text{ dozen}
right ;; 36 ;; 3\text{ dozen eggs}
right ;; 5 ;; 5\text{ meters per second}
right ;; 5 ;; 5\text{ cubic meters}
right ;; 5 ;; 5\text{ points}
wrong ;; 30\text{ miles per gallon} ;; 30\text{ gallons per mile}
wrong ;; 30\text{ dollars per hour} ;; 30\text{ hours per dollar}
wrong ;; 30\text{ apples per box} ;; 30\text{ boxes per apple}
right ;; 30\text{ apples per box} ;; 30\text{ apples per box}
right ;; 30\text{ apples per box} ;; 30
undecided ;; £5 ;; $5
undecided ;; €5 ;; $5
undecided ;; \text{€}5 ;; $5
undecided ;; £5 ;; $5$
right ;; £5 ;; 5
right ;; $5 ;; 5
right ;; \$5 ;; $5
undecided ;; y=x ;; y=e^{\ln x}
undecided ;; y=x ;; y=(\sqrt x)^2
undecided ;; y=x ;; y=\sqrt x\sqrt x
undecided ;; y=x ;; \frac yx=1
right ;; y=2x ;; 2y=4x
right ;; y=\frac{x}{2} ;; x-2y=0
undecided ;; B ;; ABA^{-1}
undecided ;; A ;; P^{-1}AP
wrong ;; t_1=3,t_2=5 ;; 5,3
wrong ;; a_1=3,a_2=5 ;; \{5,3\}
right ;; x_1=3,x_2=5 ;; 5,3
right ;; t_1=3,t_2=5 ;; 3,5
"""


def pairs(text):
    lines = [line for line in text.strip().split("\n") if not line.startswith("#")]
    return [tuple(part.strip() for part in line.split(" ;; ")) for line in lines]


PAIRS = pairs(FOUND) + pairs(SIBLINGS)


@pytest.fixture(scope="module")
def verdicts():
    asked = [(answer, gold) for _, answer, gold in PAIRS]
    asked += [(gold, answer) for answer, gold in asked]
    told = grade_many((f"\\boxed{{{answer}}}", gold) for answer, gold in asked)
    return dict(zip(asked, told, strict=True))


@pytest.mark.parametrize(("verdict", "one", "other"), PAIRS)
def test_a_pair_gets_its_verdict_in_either_order(verdicts, verdict, one, other):
    told = [verdicts[one, other], verdicts[other, one]]
    assert [v.value for v in told] == [verdict] * 2, told


@pytest.mark.parametrize(
    ("response", "gold", "verdict"),
    [
        (r"$\boxed{x>4}$ or $\boxed{x<-1}$", r"x<-1\text{ or }x>4", "right"),
        (r"$\boxed{x>4}$ or $\boxed{x<-1}$", r"x<-1\text{ or }x>5", "wrong"),
        (
            r"$\arcsin \left( -\frac{1}{2} \right) = \boxed{-\frac{\pi}{6}}.$",
            r"-\frac{\pi}{6}",
            "right",
        ),
        (r"$\boxed{3}$ trillion", "3", "wrong"),
        (r"$\boxed{3}\text{ trillion}$", "3", "wrong"),
        (r"$\boxed{3}$ trillion", r"3\text{ trillion}", "right"),
        (r"$\boxed{\text{Yes}}$", True, "undecided"),
        (r"$\boxed{\text{Yes}}$", False, "wrong"),
        (r"$\boxed{no}$", True, "wrong"),
        (r"$\boxed{no}$", False, "undecided"),
        (r"Answer: True", True, "right"),
        (r"$\boxed{\text{true}}$", False, "wrong"),
    ],
)
def test_whole_responses(response, gold, verdict):
    assert grade(response, gold).value == verdict
